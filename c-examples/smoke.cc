// The same in C++.
#include "smoke.c"
