/* GET /api/v1/openapi.json: the description of this surface, which is a file of the source and a part of the program. A test
 * holds the running gateway to it. */
#include <string.h>

#include "api/ours/ours.h"

__asm__(".section .rodata\n"
	".global og_openapi_text\n"
	"og_openapi_text:\n"
	".incbin \"" OG_OPENAPI_FILE "\"\n"
	".byte 0\n"
	".previous\n");

void og_openapi(struct og_api *api, struct og_web_call *c)
{
	(void)api;
	og_web_reply(c, 200, "application/json", og_openapi_text, strlen(og_openapi_text));
}
