/* The same as C++. */
#include "values.c"
