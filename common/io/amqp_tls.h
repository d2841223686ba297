/* TLS between memory and memory: what came from the wire goes in, what is to go there comes out. */
#ifndef OG_IO_AMQP_TLS_H
#define OG_IO_AMQP_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

/* Trusts `ca` alone, takes TLS 1.2 at least, shows cert and key where given ("" or NULL: none). PEM files. INVALID
 * names the one that cannot be used. Freed with SSL_CTX_free. */
SSL_CTX *og_tls_context(const char *ca, const char *cert, const char *key, struct og_error *err);

struct og_tls;

struct og_tls *og_tls_new(SSL_CTX *context, const char *host, bool verify_host);
void og_tls_free(struct og_tls *t);
void og_tls_received(struct og_tls *t, const char *data, size_t len);
/* 1: done; 0: the other side's turn; -1: failed, and why. Something to send may be there in each case. */
int og_tls_handshake(struct og_tls *t, struct og_error *err);
/* How many bytes *ret has (alive until the next call); 0: none now; -1: failed. */
ssize_t og_tls_read(struct og_tls *t, const char **ret, struct og_error *err);
/* Encrypts all of `plain` (NULL: nothing, as before the end of the handshake), and moves what is to be sent behind
 * `wire`. */
void og_tls_seal(struct og_tls *t, struct og_buf *plain, struct og_buf *wire);

#endif
