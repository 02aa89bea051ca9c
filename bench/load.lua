-- For wrk: sends the prepared requests of a file in turn, and prints what was measured as one line of JSON.
-- The file has one request a line: its path, a tab, its body. Latencies are microseconds. A second argument is how many
-- milliseconds each connection waits before each request.

local prepared, at = {}, 0

function init(args)
  if args[2] then
    function delay() return tonumber(args[2]) end
  end
  wrk.headers["Content-Type"] = "application/json"
  for line in io.lines(args[1]) do
    local path, body = line:match("^(%S+)\t(.*)$")
    prepared[#prepared + 1] = wrk.format("POST", path, nil, body)
  end
end

function request()
  at = at % #prepared + 1
  return prepared[at]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "duration_us": %d, "refused": %d, "broken": %d, "timeouts": %d, '
      .. '"p50_us": %d, "p90_us": %d, "p99_us": %d, "max_us": %d}\n',
    summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write, errors.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max))
end
