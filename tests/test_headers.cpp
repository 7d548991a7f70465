// Its target holds the precompiled header of the tests: an executable, since theirs are compiled as such.
int main() { return 0; }
