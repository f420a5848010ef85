"""Writes: each function changes the record in one transaction; views, actions, jobs and commands only call one."""
