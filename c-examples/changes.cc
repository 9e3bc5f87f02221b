/* The same as C++. */
#include "changes.c"
