/* What Debian's libstdc++ and libgcc_s take from glibc, for a program on musl that needs them: musl has no such libraries in
   Debian. For tests alone. */
#include <locale.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <time.h>

char __libc_single_threaded = 0;

unsigned arc4random(void) {
  unsigned value = 0;
  (void)getrandom(&value, sizeof value, 0);
  return value;
}

size_t __strftime_l(char* text, size_t size, const char* format, const struct tm* time, locale_t locale) {
  return strftime_l(text, size, format, time, locale);
}

unsigned long __getauxval(unsigned long type) { return getauxval(type); }

/* Destructors of thread-local objects do not run. */
int __cxa_thread_atexit_impl(void (*destructor)(void*), void* object, void* library) {
  (void)destructor;
  (void)object;
  (void)library;
  return 0;
}

/* Not found: the unwinder then uses dl_iterate_phdr(). */
int _dl_find_object(void* address, void* result) {
  (void)address;
  (void)result;
  return -1;
}
