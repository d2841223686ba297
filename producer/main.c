#include "cli.h"

int main(int argc, char **argv)
{
	return (int)og_cli_main(argc, argv);
}
