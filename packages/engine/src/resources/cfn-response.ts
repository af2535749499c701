/**
 * The module with which the inline code of a custom resource's function answers. CloudFormation puts it into the packages
 * that it makes of `ZipFile`, under these names and with this signature, and into no others:
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-lambda-function-code-cfnresponsemodule.html
 */
export const CFN_RESPONSE: Readonly<Record<'node' | 'python', { file: string; source: string }>> = {
  node: {
    file: 'node_modules/cfn-response/index.js',
    source: `exports.SUCCESS = 'SUCCESS';
exports.FAILED = 'FAILED';

exports.send = (event, context, Status, Data, physicalResourceId, NoEcho = false) => {
  const { StackId, RequestId, LogicalResourceId } = event;
  const body = JSON.stringify({
    Status,
    Reason: \`See the details in CloudWatch Log Stream: \${context.logStreamName}\`,
    PhysicalResourceId: physicalResourceId || context.logStreamName,
    StackId,
    RequestId,
    LogicalResourceId,
    NoEcho,
    Data,
  });
  return fetch(event.ResponseURL, { method: 'PUT', body, headers: { 'content-type': '' } }).then(
    ({ status }) => console.log(\`Status code: \${status}\`),
    (error) => console.log(\`send(..) failed: \${error}\`),
  );
};
`,
  },
  python: {
    file: 'cfnresponse.py',
    source: `import json
import urllib.request

SUCCESS = "SUCCESS"
FAILED = "FAILED"


def send(event, context, responseStatus, responseData, physicalResourceId=None, noEcho=False, reason=None):
    body = json.dumps(
        {
            "Status": responseStatus,
            "Reason": reason or f"See the details in CloudWatch Log Stream: {context.log_stream_name}",
            "PhysicalResourceId": physicalResourceId or context.log_stream_name,
            "StackId": event["StackId"],
            "RequestId": event["RequestId"],
            "LogicalResourceId": event["LogicalResourceId"],
            "NoEcho": noEcho,
            "Data": responseData,
        }
    ).encode()
    request = urllib.request.Request(event["ResponseURL"], data=body, method="PUT", headers={"Content-Type": ""})
    try:
        with urllib.request.urlopen(request) as response:
            print("Status code:", response.status)
    except Exception as error:
        print("send(..) failed:", error)
`,
  },
};
