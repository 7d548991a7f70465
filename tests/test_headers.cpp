// Its target holds the precompiled header of the tests: an executable or a library of objects, as those who use it.
int main() { return 0; }
