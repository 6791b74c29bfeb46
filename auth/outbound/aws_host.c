#include "auth/outbound/aws_host.h"

enum { LABELS_MAX = 8 };

static const struct slice suffixes[] = {
    SLICE_INIT(".amazonaws.com"),
    SLICE_INIT(".amazonaws.com.cn"),
    SLICE_INIT(".api.aws"),
    SLICE_INIT(".on.aws"),
};

/* Host names that differ from the name that is signed. */
static const struct {
    struct slice label, service;
} aliases[] = {
    {SLICE_INIT("email"), SLICE_INIT("ses")},
    {SLICE_INIT("bedrock-runtime"), SLICE_INIT("bedrock")},
    {SLICE_INIT("bedrock-agent"), SLICE_INIT("bedrock")},
    {SLICE_INIT("bedrock-agent-runtime"), SLICE_INIT("bedrock")},
    {SLICE_INIT("lambda-url"), SLICE_INIT("lambda")},
    {SLICE_INIT("s3-accesspoint"), SLICE_INIT("s3")},
};

/* Those of the world as a whole. */
static const struct slice global_services[] = {
    SLICE_INIT("s3"),
    SLICE_INIT("iam"),
    SLICE_INIT("sts"),
    SLICE_INIT("route53"),
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool ends_with(struct slice text, struct slice end)
{
    return text.len > end.len && slice_equal(slice_skip(text, text.len - end.len), end);
}

/* "us-east-1", "us-gov-west-1": letters, at least two dashes, a digit at the end. */
static bool is_region(struct slice label)
{
    unsigned dashes = 0;
    if (label.len < 7 || !ascii_is_digit(label.ptr[label.len - 1]) || label.ptr[2] != '-' ||
        ascii_is_digit(label.ptr[0]) || ascii_is_digit(label.ptr[1])) {
        return false;
    }
    for (size_t i = 0; i < label.len; i++) {
        bool number = i + 1 == label.len;
        dashes += label.ptr[i] == '-';
        if (!number && label.ptr[i] != '-' && (label.ptr[i] < 'a' || label.ptr[i] > 'z')) {
            return false;
        }
    }
    return dashes >= 2 && label.ptr[label.len - 2] == '-';
}

static struct slice signed_name(struct slice label)
{
    if (ends_with(label, SLICE("-fips"))) {
        label.len -= SLICE("-fips").len;
    }
    for (size_t i = 0; i < COUNT_OF(aliases); i++) {
        if (slice_equal(label, aliases[i].label)) {
            return aliases[i].service;
        }
    }
    return label;
}

/* From the right; returns how many. More are not looked at. */
static unsigned split(struct slice name, struct slice labels[LABELS_MAX])
{
    unsigned count = 0;
    while (name.len > 0 && count < LABELS_MAX) {
        size_t start = name.len;
        while (start > 0 && name.ptr[start - 1] != '.') {
            start--;
        }
        labels[count++] = slice_skip(name, start);
        name.len = start > 0 ? start - 1 : 0;
    }
    return count;
}

static void read_global(struct slice label, struct slice *ret_service, struct slice *ret_region)
{
    const struct slice s3_dash = SLICE("s3-"); /* s3-us-west-2, as it was once written */
    if (slice_starts_with(label, s3_dash) && is_region(slice_skip(label, s3_dash.len))) {
        *ret_service = SLICE("s3");
        *ret_region = slice_skip(label, s3_dash.len);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(global_services); i++) {
        if (slice_equal(label, global_services[i])) {
            *ret_service = label;
            *ret_region = SLICE("us-east-1");
        }
    }
}

bool aws_host_read(struct slice host, struct slice *ret_service, struct slice *ret_region)
{
    struct slice labels[LABELS_MAX];
    size_t suffix = 0;
    while (suffix < COUNT_OF(suffixes) && !ends_with(host, suffixes[suffix])) {
        suffix++;
    }
    if (suffix == COUNT_OF(suffixes)) {
        return false;
    }
    unsigned count = split(slice_make(host.ptr, host.len - suffixes[suffix].len), labels);
    unsigned at = 0;
    while (at < count && !is_region(labels[at])) {
        at++;
    }
    if (at == count) {
        read_global(labels[0], ret_service, ret_region);
        return true;
    }
    *ret_region = labels[at];
    if (at > 0) { /* domain.us-east-1.es */
        *ret_service = signed_name(labels[at - 1]);
        return true;
    }
    at += at + 1 < count && slice_equal(labels[at + 1], SLICE("dualstack")) ? 2 : 1;
    if (at < count) {
        *ret_service = signed_name(labels[at]);
    }
    return true;
}
