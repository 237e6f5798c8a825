/*
 * replay - runs a fuzz target over files, with any compiler. Names each before it is run, so that
 * the last name is the input that ended it.
 */
#include "fuzz.h"

static void
replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	long size = -1;
	if (file && fseek(file, 0, SEEK_END) == 0)
		size = ftell(file);
	/* Exactly as large as the input, so that a sanitizer sees a read beyond its end. */
	uint8_t *data = size >= 0 ? malloc((size_t)size) : NULL;
	if (!file || size < 0 || (!data && size > 0)) {
		perror(path);
		exit(1);
	}
	rewind(file);
	if (fread(data, 1, (size_t)size, file) != (size_t)size) {
		perror(path);
		exit(1);
	}
	fclose(file);
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, (size_t)size);
	free(data);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	return 0;
}
