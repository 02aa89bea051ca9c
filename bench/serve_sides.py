"""The three servers of S5 and S7, each with one worker, all on the loopback address.

Ours: `jomon serve` with all that it has: routing, validation, prediction log with its mover, access log, metrics.
MLServer: its documented settings for small models (`parallel_workers: 0`, no process in between), its access log off
(`debug: false`), its metrics on as they are by default, one thread for LightGBM.
The constant server: Granian with the settings of ours, reading the body and answering what ours once answered.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np

from bench import peer
from bench.common import JOMON, run
from bench.http_load import Server, free_ports, lines
from bench.serve_fleet import REFERENCE, Requests

HERE = Path(__file__).parent
SAMPLE = 20  # requests whose answers are checked
LOADED = "/v2/health/ready"  # where MLServer says that all models are loaded


@dataclass(frozen=True)
class Sides:
    """Where each side finds what it serves, and the core that servers run on (None: any)."""

    folder: Path
    project: Path
    models: Path | None
    requests: Requests
    core: str | None = None

    def ours(self, workers: int = 1) -> Server:
        """`jomon serve`, with an empty prediction log."""
        for name in ("log", "tables/predictions", "run"):
            shutil.rmtree(self.project / ".jomon" / name, ignore_errors=True)
        (port,) = free_ports(1)
        options = ["--port", str(port), "--workers", str(workers), "--access-log", str(self.access_log)]
        command = [JOMON, "serve", REFERENCE, *options]
        return Server(
            "jomon", command, port, self.requests.ours, self.folder, at=self.project, cores=self.core
        )

    @property
    def access_log(self) -> Path:
        """Where ours writes a line for each request."""
        return self.folder / "access.log"

    def constant(self, answer: bytes) -> Server:
        """The server that answers the same to everything."""
        file = self.folder / "answer.json"
        file.write_bytes(answer)
        (port,) = free_ports(1)
        command = [sys.executable, "-m", "bench.constant", str(port), file]
        return Server(
            "constant", command, port, self.requests.ours, self.folder, at=HERE.parent, cores=self.core
        )

    def mlserver(self, parallel_workers: int = 0, access_log: bool = False) -> Server:
        """MLServer with a model for each member; its access log hangs on its setting `debug`, on by default."""
        assert self.models is not None
        http, grpc, metrics = free_ports(3)
        env = {
            "MLSERVER_PARALLEL_WORKERS": str(parallel_workers),
            "MLSERVER_DEBUG": str(access_log).lower(),
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_HTTP_PORT": str(http),
            "MLSERVER_GRPC_PORT": str(grpc),
            "MLSERVER_METRICS_PORT": str(metrics),
            "OMP_NUM_THREADS": "1",
        }
        command = [peer.python_of("mlserver").parent / "mlserver", "start", self.models]
        return Server(
            "mlserver",
            command,
            http,
            self.requests.mlserver,
            self.folder,
            ready=LOADED,
            grace=3.0,  # its processes in parallel do not end by themselves when they are asked to
            at=self.models,
            cores=self.core,
            env=env,
        )


def check_ours(sides: Sides, server: Server) -> bytes:
    """See that a sample of answers is what `jomon predict` says to the same rows; gives the first answer whole."""
    sample = list(lines(server.requests, SAMPLE))
    rows = sides.folder / "sample.jsonl"
    rows.write_text("".join(json.dumps(json.loads(body)["rows"][0]) + "\n" for _, body in sample))
    said = run([JOMON, "predict", REFERENCE, rows], sides.project).splitlines()
    wanted = [json.loads(line)["answer"] for line in said]
    answers = [server.ask(*each) for each in sample]
    found = [json.loads(answer.body)["answers"][0] for answer in answers]
    _compare(server, found, wanted)
    return answers[0].body


def check_mlserver(sides: Sides, server: Server) -> None:
    """See that a sample of answers is what LightGBM says with the model that was asked."""
    assert sides.models is not None
    found, wanted = [], []
    for path, body in lines(server.requests, SAMPLE):
        x = np.array(json.loads(body)["inputs"][0]["data"])[None, :]
        model = lightgbm.Booster(model_file=sides.models / path.split("/")[3] / "model.bst")
        wanted.append(float(np.asarray(model.predict(x))[0]))
        found.append(json.loads(server.ask(path, body).body)["outputs"][0]["data"][0])
    _compare(server, found, wanted)


def check_logs(sides: Sides) -> None:
    """See that requests were recorded: an access log and a prediction log that are not empty."""
    home = sides.project / ".jomon"
    recorded = [*(home / "log").rglob("*.log"), *(home / "tables" / "predictions").rglob("*.parquet")]
    if not sides.access_log.exists() or not sides.access_log.stat().st_size:
        raise SystemExit("jomon wrote no access log")
    if not any(path.stat().st_size for path in recorded):
        raise SystemExit("jomon wrote no prediction log")


def _compare(server: Server, found: list[float], wanted: list[float]) -> None:
    if not np.allclose(found, wanted, rtol=0, atol=1e-9) or len(set(found)) == 1:
        raise SystemExit(f"{server.name} answered {found} and not {wanted}")
