// The pump on arm64 (see __init__.py). The system call numbers are those of asm-generic/unistd.h.
.globl _start
_start:
    ldr     x1, [sp, #16]           // parse argv[1], the number of bytes left to pass
    mov     x19, #0
    mov     x20, #10
digit:
    ldrb    w0, [x1], #1
    subs    w0, w0, #48
    b.lo    next
    madd    x19, x19, x20, x0
    b       digit

next:
    cbz     x19, full
    mov     x0, #0                  // splice(0, 0, 1, 0, min(bytes left, 1 MiB), 0)
    mov     x1, #0
    mov     x2, #1
    mov     x3, #0
    mov     x4, #0x100000
    cmp     x19, x4
    csel    x4, x19, x4, lo
    mov     x5, #0
    mov     x8, #76
    svc     #0
    cmp     x0, #0
    b.le    over
    sub     x19, x19, x0
    b       next

full:
    mov     x0, #0                  // read(0, one byte): is there more input?
    mov     x1, sp
    mov     x2, #1
    mov     x8, #63
    svc     #0
    cmp     x0, #1
    b.eq    exit
over:
    mov     x0, #0
exit:
    mov     x8, #94                 // exit_group(1 if there is more input, else 0)
    svc     #0
