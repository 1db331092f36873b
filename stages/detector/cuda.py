"""Whether there is a GPU, asked without loading torch, which takes seconds."""

import ctypes
import ctypes.util


def has_cuda() -> bool:
    """Return whether NVIDIA's driver is here and shows at least one GPU."""
    name = ctypes.util.find_library("cuda") or "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
