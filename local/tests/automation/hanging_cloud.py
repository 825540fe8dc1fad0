"""A program that ends while a runbook's script still runs; the script writes its process id into the file."""

import json
import sys
import time
from pathlib import Path

from localcloud.clients import client
from localcloud.server import LocalCloud

SCRIPT = """
import os, pathlib, time

def handler(events, context):
    pathlib.Path(events["file"]).write_text(str(os.getpid()))
    time.sleep(60)
"""

LocalCloud().start()
trust = {"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"}
role = client("iam").create_role(
    RoleName="mend-network", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
)["Role"]["Arn"]
inputs = {
    "Runtime": "python3.11",
    "Handler": "handler",
    "Script": SCRIPT,
    "InputPayload": {"file": sys.argv[1]},
}
step = {"name": "Hang", "action": "aws:executeScript", "inputs": inputs}
content = {"schemaVersion": "0.3", "assumeRole": role, "mainSteps": [step]}
client("ssm").create_document(
    Name="Mend-Hang", DocumentType="Automation", DocumentFormat="JSON", Content=json.dumps(content)
)
client("ssm").start_automation_execution(DocumentName="Mend-Hang")
while not Path(sys.argv[1]).exists():
    time.sleep(0.01)
