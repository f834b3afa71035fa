import contextlib
import resource

escapes = []
for name in ("CPU", "FSIZE", "NOFILE", "NPROC", "CORE"):
    which = getattr(resource, f"RLIMIT_{name}")
    soft, hard = resource.getrlimit(which)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(which, (hard + 1, hard + 1))
        if resource.getrlimit(which) != (soft, hard):
            escapes.append(name)
    if hard == resource.RLIM_INFINITY:
        escapes.append(f"{name} is unlimited")
print(f"ESCAPED: {escapes}" if escapes else "CONTAINED")
