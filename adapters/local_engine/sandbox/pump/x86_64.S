# The pump on x86-64 (see __init__.py). The system call numbers are those of unistd_64.h.
.globl _start
_start:
    mov     16(%rsp), %rsi          # parse argv[1], the number of bytes left to pass
    xor     %ebx, %ebx
digit:
    movzbl  (%rsi), %eax
    sub     $48, %eax
    jb      next
    imul    $10, %rbx, %rbx
    add     %rax, %rbx
    inc     %rsi
    jmp     digit

next:
    test    %rbx, %rbx
    jz      full
    xor     %edi, %edi              # splice(0, 0, 1, 0, min(bytes left, 1 MiB), 0)
    xor     %esi, %esi
    mov     $1, %edx
    xor     %r10d, %r10d
    mov     $0x100000, %r8d
    cmp     %r8, %rbx
    cmovb   %rbx, %r8
    xor     %r9d, %r9d
    mov     $275, %eax
    syscall
    test    %rax, %rax
    jle     over
    sub     %rax, %rbx
    jmp     next

full:
    xor     %edi, %edi              # read(0, one byte): is there more input?
    mov     %rsp, %rsi
    mov     $1, %edx
    xor     %eax, %eax
    syscall
    mov     $1, %edi
    cmp     %rdi, %rax
    je      exit
over:
    xor     %edi, %edi
exit:
    mov     $231, %eax              # exit_group(1 if there is more input, else 0)
    syscall
