#!/usr/bin/env python3
"""A function for the tests: it speaks the Runtime API and does what the event's `do` says."""

import json
import os
import sys
import time
import urllib.request

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime"
STARTED = time.time_ns()


def post(path, body):
    urllib.request.urlopen(urllib.request.Request(f"{API}{path}", json.dumps(body).encode(), method="POST"))


if os.environ.get("FAIL_INIT"):
    post("/init/error", {"errorType": "Settings", "errorMessage": "MEND_MODE is missing"})
    sys.exit(1)

while True:
    with urllib.request.urlopen(f"{API}/invocation/next") as response:
        event = json.load(response)
        request_id = response.headers["Lambda-Runtime-Aws-Request-Id"]
        deadline_ms = int(response.headers["Lambda-Runtime-Deadline-Ms"])
    what = event.get("do") or event.get("detail", {}).get("do", "answer")
    print(f"asked to {what}", flush=True)
    if what == "crash":
        sys.exit(7)
    if what == "hang":
        time.sleep(60)
    if what == "meet":
        folder, everybody = event["detail"]["folder"], event["detail"]["everybody"]
        open(f"{folder}/{os.getpid()}", "w").close()
        while len(os.listdir(folder)) < everybody:
            time.sleep(0.005)
    if what == "fail":
        post(f"/invocation/{request_id}/error", {"errorType": "Malformed", "errorMessage": "no detail"})
    elif what == "environment":
        post(f"/invocation/{request_id}/response", dict(os.environ))
    else:
        post(
            f"/invocation/{request_id}/response",
            {
                "pid": os.getpid(),
                "started": STARTED,
                "now": time.time(),
                "deadline_in_ms": deadline_ms - time.time() * 1_000,
            },
        )
