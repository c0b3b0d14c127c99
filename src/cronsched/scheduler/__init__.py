"""Who fires: the native scheduler of this process, and what surrounds it."""
