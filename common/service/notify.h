/* What systemd wants to hear from a service (sd_notify(3)), spoken directly: one datagram to the socket that
 * NOTIFY_SOCKET names. The protocol is stable and ten lines long, so it is not worth a library that may or may not be
 * there. */
#ifndef OG_SERVICE_NOTIFY_H
#define OG_SERVICE_NOTIFY_H

#include <stdint.h>

/* "READY=1\nSTATUS=…"; nothing happens where NOTIFY_SOCKET is not set. Best effort: nobody can act on a failure. */
void og_notify(const char *state);

/* How often systemd's watchdog wants to hear from us, halved; 0: there is none. */
int64_t og_notify_watchdog_ms(void);

#endif
