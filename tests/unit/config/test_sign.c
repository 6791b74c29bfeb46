#include "auth/outbound/hmac_recipe.h"
#include "auth/outbound/signer.h"
#include "tests/unit/config/config_scene.h"

#include <criterion/criterion.h>

TestSuite(sign, .init = setup, .fini = teardown);

static void load(const char *route)
{
    char text[6000];
    (void)snprintf(
        text, sizeof(text),
        "version: 1\nsecrets: [{type: env}]\nroutes:\n  r: {%s, credential: {secret: a}}\n", route);
    parse_text(text);
}

static const struct route *load_valid(const char *route)
{
    load(route);
    cr_assert_eq(problems.count, 0U, "%s: %s", route, problem_at(0));
    return snapshot->routes[0];
}

Test(sign, service_and_region_come_from_the_config_the_profile_or_the_host)
{
    static const struct {
        const char *route, *service, *region, *host;
        bool as_s3;
    } cases[] = {
        {"provider: aws-dynamodb, sign: {region: eu-west-1}", "dynamodb", "eu-west-1",
         "dynamodb.eu-west-1.amazonaws.com", false},
        {"provider: aws-ses, sign: {region: eu-west-1}", "ses", "eu-west-1",
         "email.eu-west-1.amazonaws.com", false},
        {"provider: aws-s3, base_url: https://b.s3.us-west-2.amazonaws.com", "s3", "us-west-2",
         "b.s3.us-west-2.amazonaws.com", true},
        {"provider: aws-s3, base_url: https://minio.internal, sign: {region: home}", "s3", "home",
         "minio.internal", true},
        {"provider: http, base_url: https://sts.eu-west-1.amazonaws.com, sign: {scheme: aws-sigv4}",
         "sts", "eu-west-1", "sts.eu-west-1.amazonaws.com", false},
        {"provider: http, base_url: https://x.example.com, sign: {scheme: aws-sigv4, service: "
         "execute-api, region: us-east-1}",
         "execute-api", "us-east-1", "x.example.com", false},
        {"provider: bedrock, sign: {region: us-east-1}", "bedrock", "us-east-1",
         "bedrock-runtime.us-east-1.amazonaws.com", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct route *route = load_valid(cases[i].route);
        cr_assert_not_null(route->sign, "%s", cases[i].route);
        cr_expect_eq(route->sign->scheme, SIGNER_AWS_SIGV4);
        cr_expect(slice_equal(route->sign->service, slice_from(cases[i].service)), "%zu", i);
        cr_expect(slice_equal(route->sign->region, slice_from(cases[i].region)), "%zu", i);
        cr_expect_str_eq(route->origin.host, cases[i].host);
        cr_expect_eq(route->sign->as_s3, cases[i].as_s3);
        cr_expect_eq(route->injections.count, 0U, "nothing is injected beside it");
    }
}

Test(sign, bedrock_takes_a_bearer_key_where_no_signature_is_asked_for)
{
    const struct route *route =
        load_valid("provider: bedrock, base_url: https://bedrock-runtime.us-east-1.amazonaws.com");
    cr_expect_null(route->sign);
    cr_expect_eq(route->injections.count, 1U);
}

Test(sign, a_route_may_inject_beside_its_signature)
{
    const struct route *route =
        load_valid("provider: http, base_url: https://s3.us-east-1.amazonaws.com, sign: {scheme: "
                   "aws-sigv4}, inject: {header: X-Key, value: \"{user}\"}");
    cr_expect_not_null(route->sign);
    cr_expect_eq(route->injections.count, 1U);
}

Test(sign, without_a_credential_a_profile_of_aws_sends_as_it_is)
{
    parse_text("version: 1\nroutes:\n  r: {provider: aws-s3, base_url: "
               "https://s3.us-east-1.amazonaws.com, credential: none}\n");
    cr_assert_eq(problems.count, 0U, "%s", problem_at(0));
    cr_expect_null(snapshot->routes[0]->sign);
}

Test(sign, a_recipe_is_read)
{
    const struct route *route = load_valid(
        "provider: http, base_url: https://x.example.com, sign: {scheme: hmac, message: "
        "\"{timestamp}{body}\", hash: sha512, encoding: base64, key: hex, timestamp: milliseconds, "
        "headers: {X-Key: \"{user}\", X-Sign: \"{signature}\"}}");
    const struct hmac_recipe *recipe = route->sign->recipe;
    cr_assert_not_null(recipe);
    cr_expect(recipe->reads_body);
    cr_expect_eq(recipe->hash, HMAC_SHA512);
    cr_expect_eq(recipe->encoding, HMAC_BASE64);
    cr_expect_eq(recipe->key_form, HMAC_KEY_HEX);
    cr_expect_eq(recipe->clock, HMAC_MILLISECONDS);
    cr_expect_eq(recipe->header_count, 2U);
}

Test(sign, what_cannot_be_signed_is_said)
{
    static const struct {
        const char *route, *problem;
    } cases[] = {
        {"provider: aws-s3, base_url: https://minio.internal",
         "the region that is signed for cannot be told from the host \"minio.internal\""},
        {"provider: http, base_url: https://minio.internal, sign: {scheme: aws-sigv4}",
         "the service that is signed for cannot be told"},
        {"provider: aws-dynamodb",
         "base_url is missing, which provider aws-dynamodb does not know; "
         "write sign: {region: eu-central-1}, or base_url"},
        {"provider: aws-dynamodb, base_url: https://x.example.com, sign: {region: \"a/b\"}",
         "letters, digits and '-' are expected"},
        {"provider: openai, sign: {region: a}", "scheme is missing"},
        {"provider: http, base_url: https://x.example.com, sign: {scheme: hmac}",
         "message and 1 to 8 headers are needed"},
        {"provider: http, base_url: https://x.example.com, sign: {scheme: hmac, message: "
         "\"{bodi}\", "
         "headers: {X-S: \"{signature}\"}}",
         "\"{bodi}\" is no placeholder"},
        {"provider: http, base_url: https://x.example.com, sign: {scheme: hmac, message: x, "
         "headers: "
         "{Host: \"{signature}\"}}",
         "the gateway cannot write a header of this name"},
        {"provider: http, base_url: https://x.example.com, sign: {scheme: azure-shared-key, "
         "region: "
         "x}",
         "belongs to scheme: aws-sigv4"},
        {"provider: aws-s3, sign: {region: eu-west-1}, headers: {set: {X-Amz-Date: x}}",
         "the signature brings this header"},
        {"provider: aws-s3, sign: {region: eu-west-1}, headers: {pass: [X-Amz-Security-Token]}",
         "the signature brings this header"},
        {"provider: aws-s3, sign: {region: eu-west-1}, token: {grant: client_credentials, url: "
         "\"https://login.example.com/t\"}",
         "nothing can be signed with a token by aws-sigv4"},
        {"provider: gcs, sign: {scheme: aws-sigv4, service: s3, region: auto}",
         "nothing can be signed with a token by aws-sigv4"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        load(cases[i].route);
        cr_expect_gt(problems.count, 0U, "%s", cases[i].route);
        cr_expect_not_null(strstr(problem_at(0), cases[i].problem), "%s: %s", cases[i].route,
                           problem_at(0));
    }
    parse_text("version: 1\nroutes:\n  r: {provider: aws-s3, sign: {region: eu-west-1}}\n");
    cr_expect_not_null(strstr(problem_at(0), "there is no credential to sign with"), "%s",
                       problem_at(0));
}
