-- For wrk: sends the prepared requests of a file in turn, and prints what was measured as one line of JSON.
-- The file has one request a line: its path, a tab, its body. Latencies are microseconds. A second argument is the rate,
-- requests a second of all connections together: each waits until the next request is due, and what was late is caught up.

local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds; long microseconds; } moment; int gettimeofday(moment *, void *);")

local prepared, at = {}, 0

local function now_ms()
  local moment = ffi.new("moment")
  ffi.C.gettimeofday(moment, nil)
  return tonumber(moment.seconds) * 1e3 + tonumber(moment.microseconds) / 1e3
end

local function paced(rate)
  local gap, due = 1e3 / rate, nil
  return function()
    local now = now_ms()
    due = (due or now) + gap
    return math.max(0, math.floor(due - now + 0.5))
  end
end

function init(args)
  if args[2] then
    delay = paced(tonumber(args[2]))
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
