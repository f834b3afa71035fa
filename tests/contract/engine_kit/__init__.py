"""What every execution engine is put through.

An engine joins by a row of the table in test_execution_engine.py: what builds it, and what it can do.
"""
