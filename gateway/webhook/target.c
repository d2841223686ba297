#include "webhook/target.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

struct net4 {
	uint32_t address;
	int bits;
};
/* IANA's registry of special addresses, and multicast. */
static const struct net4 special4[] = {
	{0x00000000, 8},  /* this network */
	{0x0a000000, 8},  /* private */
	{0x64400000, 10}, /* shared, behind a provider's NAT; Alibaba's metadata */
	{0x7f000000, 8},  /* loopback */
	{0xa9fe0000, 16}, /* link-local; the clouds' metadata */
	{0xac100000, 12}, /* private */
	{0xc0000000, 24}, /* protocol assignments */
	{0xc0000200, 24}, /* documentation */
	{0xc0586300, 24}, /* 6to4 relays */
	{0xc0a80000, 16}, /* private */
	{0xc6120000, 15}, /* benchmarks */
	{0xc6336400, 24}, /* documentation */
	{0xcb007100, 24}, /* documentation */
	{0xe0000000, 4},  /* multicast */
	{0xf0000000, 4},  /* reserved, broadcast */
};

struct net6 {
	uint8_t begins[8];
	int bits;
	int embeds; /* where in it an IPv4 address stands, which is judged; 0: nowhere, and it is refused */
};
/* What lies in 2000::/3 alone is public; of it these are not, or not by themselves. */
static const struct net6 special6[] = {
	{{0x20, 0x01, 0x00}, 23, 0},        /* protocol assignments: Teredo, benchmarks, ORCHID */
	{{0x20, 0x01, 0x0d, 0xb8}, 32, 0},  /* documentation */
	{{0x20, 0x02}, 16, 2},              /* 6to4 */
	{{0x3f, 0xff}, 20, 0},              /* documentation */
	{{0x00, 0x64, 0xff, 0x9b}, 96, 12}, /* NAT64 */
	{{0}, 96, 12},                      /* IPv4-compatible; :: and ::1 are among them */
};

static bool is_public4(uint32_t address)
{
	for (size_t i = 0; i < OG_COUNT(special4); i++)
		if (((address ^ special4[i].address) >> (32 - special4[i].bits)) == 0)
			return false;
	return true;
}

static uint32_t number4(const uint8_t at[static 4])
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Beyond 64 bits a net's own are 0. */
static bool begins_with(const uint8_t address[static 16], const struct net6 *net)
{
	for (int bit = 0; bit < net->bits; bit++) {
		int in_net = bit < 64 ? net->begins[bit / 8] >> (7 - bit % 8) & 1 : 0;

		if ((address[bit / 8] >> (7 - bit % 8) & 1) != in_net)
			return false;
	}
	return true;
}

static bool is_public6(const struct in6_addr *address)
{
	const uint8_t *at = address->s6_addr;

	if (IN6_IS_ADDR_V4MAPPED(address))
		return is_public4(number4(at + 12));
	for (size_t i = 0; i < OG_COUNT(special6); i++)
		if (begins_with(at, &special6[i]))
			return special6[i].embeds && is_public4(number4(at + special6[i].embeds));
	return at[0] >> 5 == 1;
}

bool og_address_is_public(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return is_public4(ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
	if (address->sa_family == AF_INET6)
		return is_public6(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
	return false;
}

/* ── URLs ── */

static bool has(CURLU *u, CURLUPart part)
{
	char *text = NULL;
	bool yes = curl_url_get(u, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return yes;
}

static int read_host(CURLU *u, struct og_webhook_target *ret, struct og_error *err)
{
	char *host = NULL;
	size_t len;

	if (curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK || !*host) {
		curl_free(host);
		return og_fail(err, OG_INVALID, "the URL names no host");
	}
	len = strlen(host);
	ret->host = *host == '[' ? og_strndup(host + 1, len - 2) : og_strdup(host);
	curl_free(host);
	return 0;
}

static int read_parts(CURLU *u, struct og_webhook_target *ret, struct og_error *err)
{
	char *scheme = NULL;
	bool is_http;

	curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
	is_http = scheme && (!strcasecmp(scheme, "http") || !strcasecmp(scheme, "https"));
	curl_free(scheme);
	if (!is_http)
		return og_fail(err, OG_INVALID, "must be an http or https URL");
	if (has(u, CURLUPART_USER) || has(u, CURLUPART_PASSWORD))
		return og_fail(err, OG_INVALID,
			"must have no user or password in it: who sends is told by the signature of each event");
	if (has(u, CURLUPART_FRAGMENT))
		return og_fail(err, OG_INVALID, "must have no #fragment: it would not be sent");
	return read_host(u, ret, err);
}

int og_webhook_target_read(const char *url, struct og_webhook_target *ret, struct og_error *err)
{
	CURLU *u = curl_url();
	CURLUcode code = CURLUE_OK;
	int rc;

	if (strlen(url) > OG_WEBHOOK_URL_MAX)
		rc = og_fail(err, OG_INVALID, "must be a URL of at most %d bytes", OG_WEBHOOK_URL_MAX);
	else if ((code = curl_url_set(u, CURLUPART_URL, url, 0)) != CURLUE_OK)
		rc = og_fail(err, OG_INVALID, "must be an http or https URL: %s", curl_url_strerror(code));
	else
		rc = read_parts(u, ret, err);
	curl_url_cleanup(u);
	return rc;
}

void og_webhook_target_done(struct og_webhook_target *t)
{
	free(OG_TAKE(t->host));
}
