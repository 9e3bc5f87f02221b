/* The least a C program can do: what starting a process costs. */
int main(void) { return 0; }
