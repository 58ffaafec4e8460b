"""Transforms: what is made of the elements of an export before it is delivered.

Each module has one function `(Job) -> Made`, which runs in a child process (server.exports.sandbox)
because templates come from outside: it may be killed at any moment and reads nothing but its job.
"""
