#include "gateway/upstream/connect_fault.h"

#include "routes/origin.h"
#include "routes/outbound_proxy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/ssl.h>

static void say(struct attempt_failure *ret, enum attempt_fault fault, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void say(struct attempt_failure *ret, enum attempt_fault fault, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    *ret = (struct attempt_failure){.fault = fault};
    (void)vsnprintf(ret->message, sizeof(ret->message), format, args);
    va_end(args);
}

/* libcurl's words for the certificate begin with what the sentence has said already. */
static const char *why_not_verified(const char *detail)
{
    static const char *const prefixes[] = {"SSL certificate problem: ", "SSL: "};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        size_t len = strlen(prefixes[i]);
        if (strncmp(detail, prefixes[i], len) == 0) {
            return detail + len;
        }
    }
    return detail;
}

static void describe_connect(const struct origin *origin, const struct connect_report *report,
                             struct attempt_failure *ret)
{
    if (report->refused_addresses > 0 && report->allowed_addresses == 0) {
        say(ret, ATTEMPT_EGRESS_REFUSED,
            "%s has the address %s, which routes may not reach; add it to egress.allow_private if "
            "they may",
            origin->host, report->refused_address);
        ret->lasting = true;
        return;
    }
    const char *reason = report->os_errno != 0 ? strerrordesc_np((int)report->os_errno) : NULL;
    say(ret, ATTEMPT_UNREACHABLE, "cannot connect to %s, port %u: %s", origin->host, origin->port,
        reason != NULL ? reason : "no address answers");
}

/* False: the proxy is not what failed. */
static bool describe_proxy(const struct origin *origin, const struct connect_report *report,
                           struct attempt_failure *ret)
{
    const struct outbound_proxy *proxy = origin->proxy;
    const char *reason = report->os_errno != 0 ? strerrordesc_np((int)report->os_errno) : NULL;
    if (proxy == NULL) {
        return false;
    }
    if (report->refused_host) {
        say(ret, ATTEMPT_EGRESS_REFUSED,
            "%s is no host that routes may reach, by a proxy neither; add its network to "
            "egress.allow_private if they may",
            origin->host);
        ret->lasting = true;
    } else if (report->login_missing) {
        say(ret, ATTEMPT_UNREACHABLE,
            "the secret %s for the proxy %s is not there, or is no user:password",
            proxy->secret_name, proxy->authority);
    } else if (report->code == CURLE_COULDNT_RESOLVE_PROXY) {
        say(ret, ATTEMPT_UNREACHABLE, "the name of the proxy %s does not resolve", proxy->host);
    } else if (report->code == CURLE_COULDNT_CONNECT) {
        say(ret, ATTEMPT_UNREACHABLE, "cannot connect to the proxy %s: %s", proxy->authority,
            reason != NULL ? reason : "no address answers");
    } else if (report->proxy_status == 407) {
        say(ret, ATTEMPT_UNREACHABLE,
            "the proxy %s wants other credentials (407); correct its USER:PASSWORD or "
            "proxy_credential",
            proxy->authority);
        ret->lasting = true;
    } else if (report->proxy_status == 403) {
        say(ret, ATTEMPT_UNREACHABLE,
            "the proxy %s refuses a tunnel to %s, port %u (403); allow CONNECT to it there, or "
            "write proxy: none for the route",
            proxy->authority, origin->host, origin->port);
        ret->lasting = true;
    } else if (report->proxy_status >= 300) {
        say(ret, ATTEMPT_UNREACHABLE, "the proxy %s has no tunnel to %s, port %u: it answers %ld",
            proxy->authority, origin->host, origin->port, report->proxy_status);
    } else {
        return false;
    }
    return true;
}

void connect_fault_describe(const struct origin *origin, const struct connect_report *report,
                            struct attempt_failure *ret)
{
    const char *host = origin->host;
    if (describe_proxy(origin, report, ret)) {
        return;
    }
    if (report->lacks_http2 || report->alert == SSL_AD_NO_APPLICATION_PROTOCOL) {
        say(ret, ATTEMPT_UNREACHABLE,
            "%s does not speak HTTP/2; write http: \"1.1\" for the route, or take http out", host);
        ret->lasting = true;
        return;
    }
    switch ((int)report->code) { /* libcurl has a hundred; most cannot come here */
    case CURLE_COULDNT_RESOLVE_HOST:
        say(ret, ATTEMPT_UNREACHABLE,
            "the name %s does not resolve; check the route's base_url and the DNS", host);
        return;
    case CURLE_COULDNT_CONNECT:
        describe_connect(origin, report, ret);
        return;
    case CURLE_OPERATION_TIMEDOUT:
        say(ret, ATTEMPT_TIMEOUT_CONNECT, "no connection to %s, port %u, in time", host,
            origin->port);
        return;
    case CURLE_PEER_FAILED_VERIFICATION:
        say(ret, ATTEMPT_UNREACHABLE,
            "certificate of %s does not verify: %s; set routes.NAME.tls.ca if it is signed by "
            "your own CA",
            host, why_not_verified(report->detail));
        ret->lasting = true;
        return;
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        say(ret, ATTEMPT_UNREACHABLE,
            "the public key of %s is none of routes.NAME.tls.pin; add its pin if it has a new key, "
            "else somebody stands between",
            host);
        ret->lasting = true;
        return;
    case CURLE_SSL_CERTPROBLEM:
        say(ret, ATTEMPT_UNREACHABLE, "%s", report->trust_error);
        ret->lasting = true;
        return;
    default:
        if (report->alert != 0) {
            say(ret, ATTEMPT_UNREACHABLE, "%s ended the TLS session; its alert says: %s", host,
                SSL_alert_desc_string_long(report->alert));
            return;
        }
        if (report->code == CURLE_RECV_ERROR && report->detail[0] == '\0') {
            say(ret, ATTEMPT_UNREACHABLE,
                "%s closed the connection behind the TLS handshake; if it wants to see a "
                "certificate, set routes.NAME.tls.cert",
                host);
            return;
        }
        say(ret, ATTEMPT_UNREACHABLE, "cannot connect to %s, port %u: %s", host, origin->port,
            report->detail[0] != '\0' ? report->detail : curl_easy_strerror(report->code));
    }
}
