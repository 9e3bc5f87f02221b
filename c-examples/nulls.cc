// The same in C++.
#include "nulls.c"
