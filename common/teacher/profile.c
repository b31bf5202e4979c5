/* profile.c - see profile.h. Facts as of autumn 2026; models come and go, so nothing but a default model's name and the
 * starting points below depends on them. */
#include "teacher/profile.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/buf.h"
#include "teacher/plain.h"

static const struct profile profiles[] = {
    {.name = "groq",
     .base_url = "https://api.groq.com/openai/v1",
     .model = "openai/gpt-oss-120b",
     .key_variable = "GROQ_API_KEY",
     .key_on_loopback = true,
     .budget_field = "max_completion_tokens",
     .groq_fields = true},
    {.name = "openai",
     .base_url = "https://api.openai.com/v1",
     .key_variable = "OPENAI_API_KEY",
     .budget_field = "max_completion_tokens"},
    {.name = "generic", .budget_field = "max_tokens"},
};

const char *answer_format_name(enum answer_format format)
{
    static const char *const names[] = {"strict", "schema", "object", "text"};
    return names[format];
}

const struct profile *profile_find(const char *name)
{
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++) {
        if (strcmp(profiles[i].name, name) == 0)
            return &profiles[i];
    }
    return NULL;
}

/* gpt-oss-safeguard has schemas too, but not strict ones. */
static bool is_gpt_oss(const char *model)
{
    return strstr(model, "gpt-oss") && !strstr(model, "safeguard");
}

enum answer_format profile_format(const struct profile *profile, const char *model)
{
    if (profile->groq_fields)
        return is_gpt_oss(model) ? FORMAT_STRICT : strstr(model, "safeguard") ? FORMAT_SCHEMA : FORMAT_OBJECT;
    return strcmp(profile->name, "openai") == 0 ? FORMAT_STRICT : FORMAT_OBJECT;
}

const char *profile_effort(const struct profile *profile, const char *model)
{
    return profile->groq_fields && strstr(model, "gpt-oss") ? "low" : NULL;
}

const char *profile_reasoning_format(const struct profile *profile, const char *model)
{
    /* Their default, raw, is refused together with JSON mode; gpt-oss knows no such field. */
    bool thinks_aloud = strstr(model, "qwen") || strstr(model, "minimax");
    return profile->groq_fields && thinks_aloud ? "parsed" : NULL;
}

/* As it is written: no name is looked up. */
static bool host_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    char bare[INET6_ADDRSTRLEN];
    size_t len = strlen(host);
    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (host[0] != '[' || len < 3 || len - 2 >= sizeof bare)
        return false;
    memcpy(bare, host + 1, len - 2);
    bare[len - 2] = '\0';
    return inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* A part of the URL, freed with curl_free; NULL where it has none. */
static char *url_part(CURLU *url, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    return curl_url_get(url, part, &text, flags) == CURLUE_OK ? text : NULL;
}

/* Fills the endpoint from the parts; scheme and host are there, and the host is put into small letters. */
static void endpoint_build(struct endpoint *e, CURLU *url, const char *scheme, char *host)
{
    struct buf b = {0};
    char *port = url_part(url, CURLUPART_PORT, 0), *path = url_part(url, CURLUPART_PATH, 0);
    for (char *c = host; *c; c++)
        *c = plain_fold(*c);
    char *port_or_default = url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    int path_len = (int)strlen(path ? path : "");
    while (path_len > 0 && path[path_len - 1] == '/')
        path_len--;
    buf_addf(&b, "%s://%s%s%s%.*s/chat/completions", scheme, host, port ? ":" : "", port ? port : "", path_len, path);
    e->url = b.data;
    b = (struct buf){0};
    if (e->loopback)
        buf_addf(&b, "loopback%.*s", path_len, path);
    else
        buf_addf(&b, "%s://%s%s%s%.*s", scheme, host, port ? ":" : "", port ? port : "", path_len, path);
    e->identity = b.data;
    b = (struct buf){0};
    if (strcasecmp(host, "localhost") == 0)
        buf_addf(&b, "localhost:%s:127.0.0.1,::1", port_or_default);
    e->resolve = b.data;
    curl_free(port);
    curl_free(path);
    curl_free(port_or_default);
}

static const char tail[] = "/chat/completions";

int endpoint_open(struct endpoint *e, const char *base_url, struct error *err)
{
    *e = (struct endpoint){0};
    CURLU *url = curl_url();
    CURLUcode rc = curl_url_set(url, CURLUPART_URL, base_url, 0);
    char *scheme = rc ? NULL : url_part(url, CURLUPART_SCHEME, 0), *host = rc ? NULL : url_part(url, CURLUPART_HOST, 0);
    char *user = rc ? NULL : url_part(url, CURLUPART_USER, 0), *query = rc ? NULL : url_part(url, CURLUPART_QUERY, 0);
    char *fragment = rc ? NULL : url_part(url, CURLUPART_FRAGMENT, 0);
    char *zone = rc ? NULL : url_part(url, CURLUPART_ZONEID, 0);
    char *password = rc ? NULL : url_part(url, CURLUPART_PASSWORD, 0);
    size_t len = strlen(base_url);
    int result = -1;
    if (rc || !scheme || !host || (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)) {
        error_set(err, STATUS_USAGE, "--base-url must start with https:// (or http:// for a server on this machine)");
    } else if (user || password) {
        error_set(err, STATUS_USAGE, "--base-url must not hold a user name or password");
    } else if (query || fragment || zone) {
        error_set(err, STATUS_USAGE, "--base-url %s: no query, fragment or zone is allowed", base_url);
    } else if (len >= sizeof tail - 1 && strcmp(base_url + len - (sizeof tail - 1), tail) == 0) {
        error_set(err, STATUS_USAGE, "--base-url %s: leave out the final %s", base_url, tail);
    } else if (e->tls = scheme[4] == 's', e->loopback = host_is_loopback(host), !e->tls && !e->loopback) {
        error_set(err, STATUS_USAGE, "--base-url %s: plain http would show the key and the text to others; use https",
                  base_url);
    } else {
        endpoint_build(e, url, scheme, host);
        result = 0;
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_free(query);
    curl_free(fragment);
    curl_free(zone);
    curl_free(password);
    curl_url_cleanup(url);
    return result;
}

char *endpoint_url(const struct endpoint *e, const char *path)
{
    struct buf url = {0};
    buf_add(&url, e->url, strlen(e->url) - strlen(tail));
    buf_addstr(&url, path);
    return url.data;
}

void endpoint_free(struct endpoint *e)
{
    free(e->url);
    free(e->identity);
    free(e->resolve);
    *e = (struct endpoint){0};
}
