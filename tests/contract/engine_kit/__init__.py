"""The contract of every execution engine.

An engine joins by a row of the table in test_execution_engine.py: its constructor and its abilities.
"""
