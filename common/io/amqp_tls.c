#include "io/amqp_tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/alloc.h"

struct og_tls {
	SSL *ssl;
	BIO *in, *out; /* owned by ssl */
	char plain[16384];
};

/* The last thing OpenSSL put into its queue is the one closest to the cause that we can mend. */
static int fail_ssl(struct og_error *err, enum og_kind kind, const char *what)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	return og_fail(err, kind, "%s: %s", what, reason ? reason : "it failed without a reason");
}

static bool given(const char *path)
{
	return path && *path;
}

static int configure(SSL_CTX *c, const char *ca, const char *cert, const char *key, struct og_error *err)
{
	SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
	SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
	if (!given(ca))
		return og_fail(err, OG_INVALID, "TLS needs a file of CA certificates");
	if (SSL_CTX_load_verify_locations(c, ca, NULL) != 1)
		return fail_ssl(err, OG_INVALID, ca);
	if (given(cert) != given(key))
		return og_fail(err, OG_INVALID, "a client certificate and its key go together");
	if (!given(cert))
		return 0;
	if (SSL_CTX_use_certificate_chain_file(c, cert) != 1)
		return fail_ssl(err, OG_INVALID, cert);
	if (SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(c) != 1)
		return fail_ssl(err, OG_INVALID, key);
	return 0;
}

SSL_CTX *og_tls_context(const char *ca, const char *cert, const char *key, struct og_error *err)
{
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());

	if (configure(c, ca, cert, key, err) == 0)
		return c;
	SSL_CTX_free(c);
	return NULL;
}

struct og_tls *og_tls_new(SSL_CTX *context, const char *host, bool verify_host)
{
	struct og_tls *t = og_new(struct og_tls);
	unsigned char address[sizeof(struct in6_addr)];
	bool is_address = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;

	t->ssl = SSL_new(context);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	SSL_set_bio(t->ssl, t->in, t->out);
	SSL_set_connect_state(t->ssl);
	if (!is_address)
		SSL_set_tlsext_host_name(t->ssl, host);
	if (verify_host && is_address)
		X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), host);
	else if (verify_host)
		SSL_set1_host(t->ssl, host);
	return t;
}

void og_tls_free(struct og_tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	free(t);
}

void og_tls_received(struct og_tls *t, const char *data, size_t len)
{
	BIO_write(t->in, data, (int)len);
}

/* -1 when the last operation failed for good; FATAL, as no retry mends a certificate. */
static int failed(struct og_tls *t, int result, struct og_error *err)
{
	long verdict;

	switch (SSL_get_error(t->ssl, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		return og_fail(err, OG_RETRY, "the broker closed the connection");
	default:
		break;
	}
	verdict = SSL_get_verify_result(t->ssl);
	if (verdict == X509_V_OK)
		return fail_ssl(err, OG_FATAL, "TLS");
	ERR_clear_error();
	return og_fail(err, OG_FATAL, "TLS: the broker's certificate is not accepted: %s",
		X509_verify_cert_error_string(verdict));
}

int og_tls_handshake(struct og_tls *t, struct og_error *err)
{
	int n = SSL_do_handshake(t->ssl);

	return n == 1 ? 1 : failed(t, n, err);
}

ssize_t og_tls_read(struct og_tls *t, const char **ret, struct og_error *err)
{
	int n = SSL_read(t->ssl, t->plain, sizeof(t->plain));

	if (n <= 0)
		return failed(t, n, err);
	*ret = t->plain;
	return n;
}

void og_tls_seal(struct og_tls *t, struct og_buf *plain, struct og_buf *wire)
{
	size_t sealed = 0;
	char *data;
	long n;

	if (plain && plain->len && SSL_write_ex(t->ssl, plain->data, plain->len, &sealed) == 1)
		og_buf_clear(plain);
	n = BIO_get_mem_data(t->out, &data);
	if (n <= 0)
		return;
	og_buf_add(wire, data, (size_t)n);
	(void)BIO_reset(t->out);
}
