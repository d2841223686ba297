#include "webhook/target.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

TestSuite(target, .timeout = 30);

static bool is_public(const char *text)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (strchr(text, ':')) {
		cr_assert_eq(inet_pton(AF_INET6, text, &in6.sin6_addr), 1, "%s", text);
		return og_address_is_public((struct sockaddr *)&in6);
	}
	cr_assert_eq(inet_pton(AF_INET, text, &in4.sin_addr), 1, "%s", text);
	return og_address_is_public((struct sockaddr *)&in4);
}

#define EACH(list, wanted)                                                                                             \
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)                                                    \
	cr_expect_eq(is_public(list[i]), wanted, "%s", list[i])

Test(target, what_is_public)
{
	static const char *const yes[] = {"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255",
		"100.128.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255", "169.255.0.0", "172.15.255.255",
		"172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
		"2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"};

	EACH(yes, true);
}

Test(target, what_is_not)
{
	static const char *const no[] = {"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200",
		"100.127.255.255", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255",
		"192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255",
		"198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"};

	EACH(no, false);
}

Test(target, what_is_not_of_ipv6)
{
	static const char *const no[] = {"::", "::1", "::2", "fe80::1", "febf::1", "fec0::1", "fc00::1",
		"fd00:ec2::254", "ff02::1", "2001::1", "2001:2::1", "2001:db8::1", "3fff::1", "100::1", "4000::1",
		"5f00::1"};

	EACH(no, false);
}

Test(target, an_ipv4_address_in_an_ipv6_one_is_judged_as_itself)
{
	static const char *const no[] = {"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
		"64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::8.8.8.8", "2002:7f00:1::1",
		"2002:a9fe:a9fe::1"};

	EACH(no, false);
}

Test(target, another_family_is_nothing)
{
	struct sockaddr local = {.sa_family = AF_UNIX};

	cr_expect_not(og_address_is_public(&local));
}

Test(target, the_host_of_a_url)
{
	static const char *const urls[][2] = {{"https://example.com/hook?a=b", "example.com"},
		{"http://example.com:8080", "example.com"}, {"http://[::1]:80/x", "::1"},
		{"http://127.0.0.1/", "127.0.0.1"}, {"http://2130706433/", "127.0.0.1"},
		{"http://0x7f.1/", "127.0.0.1"}, {"HTTPS://Example.com/", "Example.com"}};
	struct og_webhook_target t;
	struct og_error err = {0};

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		cr_assert_eq(og_webhook_target_read(urls[i][0], &t, &err), 0, "%s: %s", urls[i][0], err.message);
		cr_expect_str_eq(t.host, urls[i][1]);
		og_webhook_target_done(&t);
	}
}

Test(target, what_is_no_url_for_events_says_why)
{
	static const char *const urls[][2] = {{"", "http"}, {"example.com", "http"}, {"ftp://example.com/", "http"},
		{"file:///etc/passwd", "http"}, {"gopher://example.com/", "http"},
		{"https://user:pass@example.com/", "user or password"},
		{"https://user@example.com/", "user or password"}, {"https://example.com/#x", "#fragment"},
		{"https://", "http"}, {"https://exa mple.com/", "http"}};
	char long_url[OG_WEBHOOK_URL_MAX + 20] = "https://example.com/";
	struct og_webhook_target t;
	struct og_error err;

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		cr_assert_eq(og_webhook_target_read(urls[i][0], &t, &err), -1, "%s", urls[i][0]);
		cr_expect_eq(err.kind, OG_INVALID);
		cr_expect(strstr(err.message, urls[i][1]), "%s: %s", urls[i][0], err.message);
	}
	memset(long_url + strlen(long_url), 'a', OG_WEBHOOK_URL_MAX - 19);
	cr_expect_eq(og_webhook_target_read(long_url, &t, &err), -1);
}
