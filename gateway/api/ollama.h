/* Ollama's surface (https://docs.ollama.com/api). */
#ifndef OG_API_OLLAMA_H
#define OG_API_OLLAMA_H

#include "api/api.h"

og_handler og_ollama_chat, og_ollama_generate;                                                   /* ollama_chat.c */
og_handler og_ollama_embed, og_ollama_embeddings_legacy;                                         /* ollama_embed.c */
og_handler og_ollama_tags, og_ollama_show, og_ollama_ps, og_ollama_pull;                         /* ollama_models.c */
og_handler og_ollama_running, og_ollama_version, og_ollama_not_from_here, og_ollama_cannot_push; /* ollama_server.c */

#endif
