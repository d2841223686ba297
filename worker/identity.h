/* Who this worker is, as others see it. */
#ifndef OG_WORKER_IDENTITY_H
#define OG_WORKER_IDENTITY_H

#include "model/names.h"

#define OG_WORKER_MAX (3 * OG_NAME_MAX)

struct og_identity {
	char node_id[OG_ID_LEN + 1], node_name[OG_NAME_MAX];
	char worker[OG_WORKER_MAX];     /* "<node name>/<tier>/<n>"; "<node name>/peer/<n>" until there is a tier */
	char instance[OG_ID_LEN + 1];   /* new at every start */
	char tier[OG_NAME_MAX];         /* catalogue id; "": none */
	char engine_model[OG_NAME_MAX]; /* what the engine calls the tier's model */
	char region[OG_NAME_MAX];
	long n;
};

#endif
