"""The process of a Python function: `program.py IDENTITY_JSON`, started by the Lambda runner. Standard library only.

Speaks protocol.ts over the channel that the runner's Node opens for its child: one line of JSON for each message. Errors
and log lines are those of Lambda's Python runtime:
https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
"""

import decimal
import importlib
import importlib.abc
import importlib.machinery
import io
import json
import logging
import os
import re
import resource
import socket
import sys
import threading
import time
import traceback

AS_JSON = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"
# What every record has; all else was given as `extra`.
STANDARD_FIELDS = {*vars(logging.makeLogRecord({})), "aws_request_id", "message", "asctime"}
# Python's names for Lambda's levels.
LEVELS = {"TRACE": "NOTSET", "FATAL": "CRITICAL", "WARN": "WARNING"}
MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100
# The first botocore that sends calls to AWS_ENDPOINT_URL; an older one would call AWS itself.
FIRST_BOTOCORE = (1, 31, 0)


class Channel:
    """The lines of JSON between the runner and this process; what the function starts does not inherit it."""

    def __init__(self):
        connection = socket.socket(fileno=int(os.environ.pop("NODE_CHANNEL_FD")))
        os.environ.pop("NODE_CHANNEL_SERIALIZATION_MODE", None)
        connection.setblocking(True)
        connection.set_inheritable(False)
        self._connection = connection
        self._turn = threading.Lock()
        self._lines = connection.makefile("r", encoding="utf-8", newline="\n")

    def receive(self):
        line = self._lines.readline()
        return json.loads(line) if line else None

    def send(self, message):
        line = json.dumps(message).encode("ascii") + b"\n"
        with self._turn:
            self._connection.sendall(line)


class LogStream(io.RawIOBase):
    """What `print` writes to: each line is a log event, in order with those of `logging`."""

    def __init__(self, channel, descriptor):
        self._channel = channel
        self._descriptor = descriptor
        self._rest = b""
        self._turn = threading.Lock()

    def writable(self):
        return True

    def fileno(self):
        return self._descriptor

    def write(self, data):
        with self._turn:
            *lines, self._rest = (self._rest + bytes(data)).split(b"\n")
            for line in lines:
                self._send(line)
        return len(data)

    def end_line(self):
        if self._rest:
            self._send(self._rest)
            self._rest = b""

    def _send(self, line):
        self._channel.send({"type": "log", "text": line.decode("utf-8", "replace")})


class LogHandler(logging.Handler):
    """The handler that Lambda gives to the root logger: one log event for each record, however many lines it has."""

    def __init__(self, channel):
        super().__init__()
        self._channel = channel
        self.request_id = ""
        self.setFormatter(
            logging.Formatter(
                "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"
            )
        )
        self.formatter.converter = time.gmtime

    def emit(self, record):
        record.aws_request_id = self.request_id
        try:
            text = json_line(record) if AS_JSON else self.format(record)
            self._channel.send({"type": "log", "text": text})
        except Exception:
            self.handleError(record)


def json_line(record):
    """A record as Lambda's JSON format has it: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html"""
    fields = {
        "timestamp": utc(record.created),
        "level": record.levelname,
        "message": record.getMessage(),
        "logger": record.name,
        "requestId": record.aws_request_id,
    }
    if record.exc_info and record.exc_info[0] is not None:
        error_type, error, trace = record.exc_info
        fields["stackTrace"] = traceback.format_list(traceback.extract_tb(trace))
        fields["errorType"] = error_type.__name__
        fields["errorMessage"] = str(error)
        fields["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
    extra = {key: value for key, value in vars(record).items() if key not in STANDARD_FIELDS}
    return json.dumps({**fields, **extra}, default=str)


def utc(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class SdkGuard(importlib.abc.MetaPathFinder):
    """Says what to do when a function imports the AWS SDK and this Python has none that can be used.

    Lambda's runtimes hold boto3; here it is the machine's, or the one in the function's package.
    """

    def find_spec(self, name, path=None, target=None):
        if name not in ("boto3", "botocore"):
            return None
        found = importlib.machinery.PathFinder.find_spec(name)
        if found is None:
            raise ModuleNotFoundError(
                f"No module named '{name}'. Lambda's Python has the AWS SDK, and this machine's ({sys.executable}) has "
                f"not: install it (`{sys.executable} -m pip install boto3`), or put it into the function's package.",
                name=name,
            )
        version = botocore_version(found) if name == "botocore" else FIRST_BOTOCORE
        if version is not None and version < FIRST_BOTOCORE:
            raise ImportError(
                f"botocore {'.'.join(map(str, version))} ({found.origin}) does not know AWS_ENDPOINT_URL and would call "
                "AWS itself instead of the local engine: install boto3 1.28 or later for "
                f"{sys.executable}, or put it into the function's package.",
                name=name,
            )
        return None


def botocore_version(spec):
    try:
        with open(spec.origin, encoding="utf-8") as source:
            found = re.search(r"^__version__ = ['\"](\d+)\.(\d+)\.(\d+)", source.read(), re.MULTILINE)
    except (OSError, TypeError):
        return None
    return found and tuple(int(part) for part in found.groups())


class ClientContext:
    def __init__(self, given):
        self.custom = given.get("custom")
        self.env = given.get("env")
        self.client = given.get("client")


class CognitoIdentity:
    cognito_identity_id = None
    cognito_identity_pool_id = None


class Context:
    """What a handler learns of its invocation: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html"""

    def __init__(self, message, identity):
        self.aws_request_id = message["requestId"]
        self.function_name = identity["functionName"]
        self.function_version = identity["version"]
        self.invoked_function_arn = message["invokedArn"]
        self.memory_limit_in_mb = str(identity["memoryMiB"])
        self.log_group_name = identity["logGroupName"]
        self.log_stream_name = identity["logStreamName"]
        self.identity = CognitoIdentity()
        given = message.get("clientContext")
        self.client_context = None if given is None else ClientContext(json.loads(given))
        self._deadline_ms = message["deadlineMs"]

    def get_remaining_time_in_millis(self):
        return max(int(self._deadline_ms - time.time() * 1000), 0)


class Failure(Exception):
    """A failure that the runtime itself names."""

    def __init__(self, error_type, message, trace=()):
        super().__init__(message)
        self.error_type = error_type
        self.trace = list(trace)


def load_handler(name):
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as error:
        raise Failure("Runtime.MalformedHandlerName", f"Bad handler '{name}': {error}") from None
    module_name = module_name.replace("/", ".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise Failure(
            "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}", own_frames(error)
        ) from None
    except SyntaxError as error:
        place = f'  File "{error.filename}" Line {error.lineno}\n    {(error.text or "").rstrip()}'
        message = f"Syntax error in module '{module_name}': {error}"
        raise Failure("Runtime.UserCodeSyntaxError", message, [place]) from None
    try:
        return getattr(module, function_name)
    except AttributeError:
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise Failure("Runtime.HandlerNotFound", message) from None


def own_frames(error):
    """The frames of the function: neither those of this file nor those of Python's import."""
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if frame.filename != __file__ and "importlib" not in frame.filename]
    return traceback.format_list(mine)


def described(error, request_id=""):
    if isinstance(error, Failure):
        error_type, trace = error.error_type, error.trace
    else:
        error_type, trace = type(error).__name__, own_frames(error)
    return {
        "errorMessage": str(error),
        "errorType": error_type,
        **({"requestId": request_id} if request_id else {}),
        "stackTrace": trace,
    }


def decimal_as_number(value):
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def to_json(value):
    try:
        text = json.dumps(value, default=decimal_as_number, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Failure("Runtime.MarshalError", f"Unable to marshal response: {error}") from None
    if len(text.encode()) > MAX_RESPONSE_BYTES:
        message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
        raise Failure("Function.ResponseSizeTooLarge", message)
    return text


class Program:
    def __init__(self, identity):
        self._identity = identity
        self._channel = Channel()
        self._log = LogHandler(self._channel)
        logging.getLogger().addHandler(self._log)
        if AS_JSON:
            level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO")
            logging.getLogger().setLevel(LEVELS.get(level, level))
        self._streams = [LogStream(self._channel, descriptor) for descriptor in (1, 2)]
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(stream, encoding="utf-8", write_through=True) for stream in self._streams
        )
        sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
        sys.meta_path.insert(0, SdkGuard())

    def run(self):
        try:
            handler = load_handler(os.environ["_HANDLER"])
        except Exception as error:
            self._fail(described(error), fatal=True)
            sys.exit(1)
        self._end_lines()
        self._channel.send({"type": "ready"})
        while (message := self._channel.receive()) is not None:
            self._invoke(handler, message)

    def _invoke(self, handler, message):
        request_id = message["requestId"]
        self._log.request_id = request_id
        try:
            result = to_json(handler(json.loads(message["payload"]), Context(message, self._identity)))
        except Exception as error:
            self._fail(described(error, request_id), fatal=False)
            return
        self._end_lines()
        self._channel.send({"type": "result", "payload": result, "maxMemoryKiB": max_memory_kib()})

    def _fail(self, error, fatal):
        self._end_lines()
        if AS_JSON:
            text = json.dumps({"timestamp": utc(time.time()), "log_level": "ERROR", **error})
        else:
            text = error_text(error)
        self._channel.send({"type": "log", "text": text})
        self._channel.send({"type": "error", "error": error, "maxMemoryKiB": max_memory_kib(), "fatal": fatal})

    def _end_lines(self):
        for stream in self._streams:
            stream.end_line()


def error_text(error):
    trace = error["stackTrace"]
    lines = ["Traceback (most recent call last):", *(part.rstrip("\n") for part in trace)] if trace else []
    return "\n".join([f"[ERROR] {error['errorType']}: {error['errorMessage']}", *lines])


def max_memory_kib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    Program(json.loads(sys.argv[1])).run()
