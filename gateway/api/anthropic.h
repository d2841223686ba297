/* Anthropic's surface (https://docs.claude.com/en/api/messages). */
#ifndef OG_API_ANTHROPIC_H
#define OG_API_ANTHROPIC_H

#include "api/api.h"

og_handler og_anthropic_messages_create, og_anthropic_count_tokens;

#endif
