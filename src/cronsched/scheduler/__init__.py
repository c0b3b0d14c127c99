"""The native scheduler of this process, and the Python threads around it."""
