#include "auth/outbound/aws_host.h"

#include <criterion/criterion.h>

Test(aws_host, tells_service_and_region)
{
    static const struct {
        const char *host, *service, *region;
    } cases[] = {
        {"dynamodb.eu-central-1.amazonaws.com", "dynamodb", "eu-central-1"},
        {"s3.us-west-2.amazonaws.com", "s3", "us-west-2"},
        {"bucket.s3.us-west-2.amazonaws.com", "s3", "us-west-2"},
        {"a.dotted.bucket.s3.us-west-2.amazonaws.com", "s3", "us-west-2"},
        {"s3.dualstack.eu-west-1.amazonaws.com", "s3", "eu-west-1"},
        {"bucket.s3.dualstack.eu-west-1.amazonaws.com", "s3", "eu-west-1"},
        {"s3-us-west-2.amazonaws.com", "s3", "us-west-2"},
        {"s3.amazonaws.com", "s3", "us-east-1"},
        {"bucket.s3.amazonaws.com", "s3", "us-east-1"},
        {"sqs.cn-north-1.amazonaws.com.cn", "sqs", "cn-north-1"},
        {"sns.us-gov-west-1.amazonaws.com", "sns", "us-gov-west-1"},
        {"email.eu-west-1.amazonaws.com", "ses", "eu-west-1"},
        {"bedrock-runtime.us-east-1.amazonaws.com", "bedrock", "us-east-1"},
        {"bedrock-runtime-fips.us-east-1.amazonaws.com", "bedrock", "us-east-1"},
        {"dynamodb-fips.us-east-1.amazonaws.com", "dynamodb", "us-east-1"},
        {"abc123.execute-api.us-east-1.amazonaws.com", "execute-api", "us-east-1"},
        {"abc123.lambda-url.us-east-1.on.aws", "lambda", "us-east-1"},
        {"runtime.sagemaker.us-east-1.amazonaws.com", "sagemaker", "us-east-1"},
        {"search-x.us-east-1.es.amazonaws.com", "es", "us-east-1"},
        {"sts.amazonaws.com", "sts", "us-east-1"},
        {"lambda.us-east-1.api.aws", "lambda", "us-east-1"},
        {"something.amazonaws.com", "", ""},
        {"us-east-1.amazonaws.com", "", "us-east-1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice service = SLICE("");
        struct slice region = SLICE("");
        cr_expect(aws_host_read(slice_from(cases[i].host), &service, &region), "%s", cases[i].host);
        cr_expect(slice_equal(service, slice_from(cases[i].service)), "%s: %.*s", cases[i].host,
                  SLICE_ARG(service));
        cr_expect(slice_equal(region, slice_from(cases[i].region)), "%s: %.*s", cases[i].host,
                  SLICE_ARG(region));
    }
}

Test(aws_host, others_tell_nothing)
{
    static const char *const hosts[] = {
        "",
        "localhost",
        "127.0.0.1",
        "s3.us-east-1.example.com",
        ".amazonaws.com",
        "amazonaws.com",
        "s3.us-east-1.amazonaws.com.evil.example",
        "minio.internal",
    };
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct slice service = SLICE("mine");
        struct slice region = SLICE("here");
        cr_expect(!aws_host_read(slice_from(hosts[i]), &service, &region), "%s", hosts[i]);
        cr_expect(slice_equal(service, SLICE("mine")) && slice_equal(region, SLICE("here")));
    }
}
