"""Sizes, times and errors as findings say them."""

import errno

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
MEBI, GIBI = 1 << 20, 1 << 30

_ADVICE = {
    errno.EROFS: "it is mounted read-only: remount it, or choose another folder",
    errno.EACCES: "you may not write there: change the rights of the folder, or choose another one",
    errno.EPERM: "you may not write there: change the rights of the folder, or choose another one",
    errno.ENOSPC: "the disk is full: free some space or some files on it",
    errno.EDQUOT: "your quota is used up: delete something there, or have the quota raised",
    errno.EIO: "the disk or the file server fails: look at the kernel's messages (dmesg) before you use it",
    errno.ESTALE: "the file server forgot the folder: mount it again",
    errno.ENOTCONN: "the program behind the mount ended: mount it again",
    errno.EMFILE: "too many open files: raise the limit (ulimit -n)",
}


def size_text(n_bytes: float) -> str:
    """Return a size with its unit: 512 MiB, 1.5 GiB."""
    value, unit = float(n_bytes), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if value >= 10 or unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def time_text(seconds: float) -> str:
    """Return a time with its unit, from microseconds to days."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.1f} ms" if seconds < 0.01 else f"{seconds * 1e3:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172800 else f"{seconds / 86400:.0f} days"


def error_text(error: OSError) -> str:
    """Return what the system said, with the name of its error."""
    name = errno.errorcode.get(error.errno or 0, "")
    return f"{error.strerror or error}{f' ({name})' if name else ''}"


def error_advice(error: OSError) -> str:
    """Return what to do about an error of the system."""
    return _ADVICE.get(error.errno or 0, "choose another folder, or ask who runs that file system")
