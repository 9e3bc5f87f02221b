/* The same as C++. */
#include "types.c"
