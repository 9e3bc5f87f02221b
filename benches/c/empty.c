/* A C program that does nothing, to measure the start of a process. */
int main(void) { return 0; }
