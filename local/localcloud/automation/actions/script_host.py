"""The process that runs one script of ``aws:executeScript``.

It reads the request from standard input and answers on the standard output that it was started with; what
the script prints goes to standard error. It imports nothing that it does not need, because its start is most
of what a script costs.
"""

import json
import os
import sys


def main() -> None:
    """Run the handler of the script that standard input holds."""
    request = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path.append(sys.argv[1])
    try:
        names = {"__name__": "script"}
        exec(compile(request["Script"], "Script", "exec"), names)
        handler = names.get(request["Handler"])
        if not callable(handler):
            raise NameError(f"the script defines no function {request['Handler']}")
        payload = {} if request["InputPayload"] is None else request["InputPayload"]
        outcome = json.dumps({"payload": handler(payload, {})}, allow_nan=False)
    except Exception as error:
        import traceback

        frames = traceback.extract_tb(error.__traceback__)[1:]
        where = "".join(traceback.format_list(frames))
        outcome = json.dumps({"error": f"Failure message: {where}{type(error).__name__}: {error}"})
    sys.stdout.flush()
    answer.write(outcome)
    answer.flush()


main()
