/*
 * Lets user-mode Linux 6.1 run on processors whose register state is larger
 * than the 2696 bytes it keeps for each thread (AMX: 8 KiB of tiles). It reads
 * that much and may not write it back: PTRACE_SETREGSET takes all or nothing.
 * This writes what it has, and everything behind it in its initial state; no
 * guest program is told of the tiles, so none misses them.
 *
 * Build: cc -O2 -shared -fPIC -o xstate.so xstate.c -ldl; use: LD_PRELOAD.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Intel SDM vol. 1, 13.4: header of the XSAVE area, and the parts within the
 * first 2696 bytes: x87, SSE, AVX, AVX-512 (three), PKRU. */
enum { HEADER = 512, COMPACT = HEADER + 8, HEADER_END = HEADER + 64, KEPT = 0x2e7 };

static unsigned char area[1 << 16];

static long write_state(int pid, struct iovec *some)
{
	static size_t size;
	if (size == 0) {
		struct iovec all = { area, sizeof area };
		if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, NT_X86_XSTATE, &all) == 0)
			size = all.iov_len;
		memset(area, 0, sizeof area);
	}
	if (some->iov_len >= size || some->iov_len < HEADER_END)
		return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, NT_X86_XSTATE, some);
	memcpy(area, some->iov_base, some->iov_len);
	uint64_t parts;
	memcpy(&parts, area + HEADER, sizeof parts);
	parts &= KEPT;
	memcpy(area + HEADER, &parts, sizeof parts);
	memset(area + COMPACT, 0, HEADER_END - COMPACT);
	struct iovec all = { area, size };
	return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, NT_X86_XSTATE, &all);
}

long ptrace(enum __ptrace_request request, ...)
{
	static long (*libc)(enum __ptrace_request, ...);
	va_list args;
	va_start(args, request);
	int pid = va_arg(args, int);
	void *addr = va_arg(args, void *), *data = va_arg(args, void *);
	va_end(args);
	if (request == PTRACE_SETREGSET && (long)addr == NT_X86_XSTATE)
		return write_state(pid, data);
	if (libc == NULL)
		libc = (long (*)(enum __ptrace_request, ...))dlsym(RTLD_NEXT, "ptrace");
	return libc(request, pid, addr, data);
}
