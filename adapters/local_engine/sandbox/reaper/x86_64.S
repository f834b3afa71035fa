# The reaper on x86-64 (see __init__.py). The system call numbers are those of unistd_64.h; $3 is STATUS_DESCRIPTOR.
.globl _start
.equ    PLAN, 0x10000000            # PLAN_ADDRESS; 0: id maps (64 bytes), 64: the frame, 128: calls (80 bytes each)
_start:
    mov     %rsp, %rbx              # argc, argv, 0, envp
    sub     $512, %rsp              # 0: old signal mask, 12: status, 16: rusage, 168: the line
    cmpq    $1, (%rbx)
    jne     reap

    mov     $PLAN, %edi             # mmap(PLAN, 16 MiB, READ | WRITE, PRIVATE | FIXED_NOREPLACE, 4, 0)
    mov     $0x1000000, %esi
    mov     $3, %edx
    mov     $0x100002, %r10d
    mov     $4, %r8d
    xor     %r9d, %r9d
    mov     $9, %eax
    syscall
    cmp     $PLAN, %rax
    jne     failed
    mov     8(%rbx), %rsi           # copy the id maps from argv[0] + 16
    add     $16, %rsi
    mov     $PLAN, %edi
    mov     $64, %ecx
    rep movsb
    mov     $PLAN + 128, %ebx
call:
    mov     (%rbx), %rax            # 0: number, 8: expected result, 16: arguments, 64: message, 72: its length
    test    %rax, %rax
    js      turn
    mov     16(%rbx), %rdi
    mov     24(%rbx), %rsi
    mov     32(%rbx), %rdx
    mov     40(%rbx), %r10
    mov     48(%rbx), %r8
    mov     56(%rbx), %r9
    syscall
    cmp     8(%rbx), %rax
    jne     refused
following:
    add     $80, %rbx
    jmp     call
refused:
    mov     %rax, %r12
    mov     $2, %edi                # write(2, message, length)
    mov     64(%rbx), %rsi
    mov     72(%rbx), %rdx
    mov     $1, %eax
    syscall
    mov     %r12, %rdi              # exit_group(errno)
    neg     %edi
    mov     $231, %eax
    syscall

turn:
    cmp     $-1, %rax
    je      branch
    mov     PLAN + 64, %rbx
reap:

    xor     %edi, %edi              # rt_sigprocmask(SIG_BLOCK, all, old, 8)
    lea     all(%rip), %rsi
    mov     %rsp, %rdx
    mov     $8, %r10d
    mov     $14, %eax
    syscall
    mov     $57, %eax               # fork()
    syscall
    test    %eax, %eax
    jz      child
    js      failed
    mov     %eax, %r12d

next:
    mov     $-1, %edi               # wait4(any, status, 0, rusage), until the program has ended
    lea     12(%rsp), %rsi
    xor     %edx, %edx
    lea     16(%rsp), %r10
    mov     $61, %eax
    syscall
    test    %eax, %eax
    js      failed
    cmp     %eax, %r12d
    jne     next
    lea     head(%rip), %rsi
    lea     168(%rsp), %rdi
    mov     $27, %ecx
    rep movsb
    lea     12(%rsp), %rsi          # status and rusage, in hexadecimal digits
    lea     digits(%rip), %rdx
    mov     $148, %ecx
digit:
    movzbl  (%rsi), %ebp
    inc     %rsi
    mov     %ebp, %eax
    shr     $4, %eax
    and     $15, %ebp
    mov     (%rdx,%rax), %al
    stosb
    mov     (%rdx,%rbp), %al
    stosb
    dec     %ecx
    jnz     digit
    movl    $0x0a7d22, (%rdi)       # "} and the end of the line
    mov     $3, %edi                # write(3, line, 326)
    lea     168(%rsp), %rsi
    mov     $326, %edx
    mov     $1, %eax
    syscall
    mov     $39, %eax               # getpid(): only process 1 kills the rest, which are all in its namespace
    syscall
    cmp     $1, %eax
    jne     done
    mov     $-1, %rdi               # kill(-1, SIGKILL)
    mov     $9, %esi
    mov     $62, %eax
    syscall
rest:
    mov     $-1, %edi               # wait4(any, 0, 0, 0), until no child is left
    xor     %esi, %esi
    xor     %edx, %edx
    xor     %r10d, %r10d
    mov     $61, %eax
    syscall
    test    %eax, %eax
    jg      rest
done:
    xor     %edi, %edi              # exit_group(0)
    mov     $231, %eax
    syscall

branch:
    mov     $57, %eax               # fork(); the child continues with the plan
    syscall
    test    %eax, %eax
    jz      following
    js      refused
    mov     %eax, %r12d
    xor     %edi, %edi              # close_range(0, all, 0)
    mov     $-1, %esi
    xor     %edx, %edx
    mov     $436, %eax
    syscall
    mov     %r12d, %edi             # wait4(child, status, 0, 0)
    lea     12(%rsp), %rsi
    xor     %edx, %edx
    xor     %r10d, %r10d
    mov     $61, %eax
    syscall
    test    %eax, %eax
    js      failed
    mov     12(%rsp), %edi          # exit_group(its exit code, or 128 + its signal)
    mov     %edi, %eax
    shr     $8, %edi
    and     $127, %eax
    jz      over
    lea     128(%rax), %edi
over:
    mov     $231, %eax
    syscall

child:
    mov     $1, %edi                # prctl(PR_SET_PDEATHSIG, SIGKILL)
    mov     $9, %esi
    mov     $157, %eax
    syscall
    mov     $110, %eax              # getppid(): the child of process 1 leads its own process group
    syscall
    cmp     $1, %eax
    jne     grouped
    xor     %edi, %edi              # setpgid(0, 0)
    xor     %esi, %esi
    mov     $109, %eax
    syscall
grouped:
    mov     $2, %edi                # rt_sigprocmask(SIG_SETMASK, old, 0, 8)
    mov     %rsp, %rsi
    xor     %edx, %edx
    mov     $8, %r10d
    mov     $14, %eax
    syscall
    mov     $3, %edi                # close(3)
    mov     $3, %eax
    syscall
    mov     16(%rbx), %rdi          # execve(argv[1], argv + 1, envp)
    lea     16(%rbx), %rsi
    mov     (%rbx), %rax
    lea     16(%rbx,%rax,8), %rdx
    mov     $59, %eax
    syscall
failed:
    mov     $127, %edi              # exit_group(127)
    mov     $231, %eax
    syscall

head:
    .ascii  "{\"status\":\"ended\",\"wait4\":\""
digits:
    .ascii  "0123456789abcdef"
all:
    .quad   -1
