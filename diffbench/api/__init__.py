"""What programs and notebooks use: studies, their results as tables and arrays, audits and inspections as calls.

`import diffbench` has all of it by name; nothing is imported before a name is asked for.
"""
