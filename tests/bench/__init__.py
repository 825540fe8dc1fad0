"""What Mend costs: `make bench` measures the release build of the functions and compares it with its budgets.

What depends on the machine stands beside an empty function, measured in the same run.
"""
