#!/usr/bin/env python3
"""A model that answers as the prompt says, so that a real pi runs without a key and without a network.

    scripted_model.py [--port N]

It speaks the chat completions of OpenAI on 127.0.0.1. It prints one JSON object a line: first {"port": N}, then one for
each request ({"request": 1, "kind": "turn", "prompt": ..., "line": 0, ...}) and one when its answer has ended
({"request": 1, "ended": "complete"}), or when the client has gone before that ("gone").

The newest user message is a script. Each of its lines is one answer of the model. After a line that calls tools, pi
sends the results, and the next line is the answer to them. The steps of a line are separated by " // ":

    say TEXT                  text; \\n is a new line
    think TEXT                thinking
    slow COUNT MILLISECONDS   COUNT words, one after each pause
    bash COMMAND              a call of the tool; likewise read PATH, write PATH TEXT, edit PATH OLD NEW
    call NAME JSON            a call of any tool
    usage INPUT OUTPUT        tokens that the answer is said to have cost
    error STATUS [TIMES]      an HTTP error, for the first TIMES requests with this line (always)
    hang                      no answer until the client goes
    cut                       the connection ends in the middle of the answer
    limit                     the answer ends because it has reached the limit of tokens

Any other text is quoted, with the first prompt of the conversation. After the last line the answer is "Done.". A request
without tools whose instructions ask for a summary gets one.
"""

import argparse
import json
import select
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ERRORS = {400: "context_length_exceeded", 401: "invalid_api_key", 429: "rate_limit_exceeded", 503: "overloaded"}


class Gone(Exception):
    """The client has closed its connection."""


def text_of(content):
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content or [] if part.get("type") == "text")


def images_of(content):
    return 0 if isinstance(content, str) else sum(1 for part in content or [] if part.get("type") == "image_url")


class Conversation:
    """What a request says: its newest prompt, and which line of it is to be answered."""

    def __init__(self, body):
        messages = body.get("messages", [])
        said = [message for message in messages if message["role"] == "user"]
        newest = max((index for index, message in enumerate(messages) if message["role"] == "user"), default=-1)
        prompt = text_of(messages[newest]["content"]) if said else ""
        self.prompt = prompt
        self.images = images_of(messages[newest]["content"]) if said else 0
        self.first = text_of(said[0]["content"]) if said else ""
        self.message_count = len(messages)
        self.tools = {tool["function"]["name"]: tool["function"] for tool in body.get("tools") or []}
        # Every answer that called tools took one line.
        self.line = sum(1 for message in messages[newest + 1:] if message.get("tool_calls"))
        self.results = [text_of(m["content"]) for m in messages[newest + 1:] if m["role"] == "tool"]
        instructions = " ".join(text_of(m["content"]) for m in messages if m["role"] in ("system", "developer"))
        self.is_summary = not self.tools and "summar" in instructions.lower()

    def steps(self):
        if self.is_summary:
            return [("usage", 10, 1), ("say", "## Goal\nA summary of the conversation.")]
        lines = [line.strip() for line in self.prompt.splitlines() if line.strip()]
        if self.line >= len(lines):
            return [("say", "Done." + "".join(f" {result.strip()[:200]}" for result in self.results[-1:]))]
        return [self.step(part.strip()) for part in lines[self.line].split(" // ")]

    def step(self, part):
        verb, _, rest = part.partition(" ")
        words = rest.split()
        if verb in ("say", "think") and rest:
            return (verb, rest.replace("\\n", "\n"))
        if verb == "slow" and len(words) == 2:
            return (verb, int(words[0]), int(words[1]) / 1000)
        if verb == "bash" and rest:
            return ("call", "bash", {"command": rest})
        if verb == "read" and rest:
            return ("call", "read", {"path": rest})
        if verb == "write" and len(words) > 1:
            path, _, text = rest.partition(" ")
            return ("call", "write", {"path": path, "content": text.replace("\\n", "\n")})
        if verb == "edit" and len(words) == 3:
            change = {"oldText": words[1], "newText": words[2]}
            # Newer versions of the tool take a list of changes.
            takes_list = "edits" in json.dumps(self.tools.get("edit", {}))
            return ("call", "edit", {"path": words[0], **({"edits": [change]} if takes_list else change)})
        if verb == "call" and words:
            name, _, arguments = rest.partition(" ")
            return ("call", name, json.loads(arguments or "{}"))
        if verb == "usage" and len(words) == 2:
            return (verb, int(words[0]), int(words[1]))
        if verb == "error" and words:
            return (verb, int(words[0]), int(words[1]) if len(words) > 1 else None)
        if verb in ("hang", "cut", "limit") and not rest:
            return (verb,)
        pictures = f" You sent {self.images} image(s)." if self.images else ""
        return ("say", f'You said "{part}".{pictures} The first message of this conversation was "{self.first[:200]}".')


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        conversation = Conversation(body)
        number = self.server.note_request(body, conversation)
        try:
            self.answer(number, body, conversation)
            self.server.note({"request": number, "ended": "complete"})
        except (Gone, BrokenPipeError, ConnectionResetError):
            self.close_connection = True
            self.server.note({"request": number, "ended": "gone"})

    def answer(self, number, body, conversation):
        steps = conversation.steps()
        for step in steps:
            if step[0] == "error" and self.server.fails(conversation, step[2]):
                return self.refuse(step[1])
        steps = [step for step in steps if step[0] != "error"] or [("say", "It works now.")]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.stream(number, body, steps)
        self.write(b"data: [DONE]\n\n")
        self.write(b"")

    def refuse(self, status):
        code = ERRORS.get(status, "server_error")
        message = "maximum context length is 200000 tokens" if status == 400 else f"scripted failure {status}"
        data = json.dumps({"error": {"message": message, "type": code, "code": code}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def write(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def wait(self, seconds):
        """Waits, and notices a client that goes meanwhile."""
        if select.select([self.connection], [], [], seconds)[0]:
            raise Gone

    def stream(self, number, body, steps):
        created = int(time.time())

        def chunk(**members):
            value = {"id": f"answer-{number}", "object": "chat.completion.chunk", "created": created,
                     "model": body.get("model"), **members}
            self.write(b"data: " + json.dumps(value).encode() + b"\n\n")

        def delta(content, finish=None):
            chunk(choices=[{"index": 0, "delta": content, "finish_reason": finish}])

        usage = (100 + len(json.dumps(body["messages"])) // 4, 10)
        calls, finish = 0, "stop"
        delta({"role": "assistant", "content": ""})
        for step in steps:
            verb = step[0]
            if verb == "say" or verb == "think":
                key = "content" if verb == "say" else "reasoning_content"
                for piece in pieces(step[1]):
                    delta({key: piece})
            elif verb == "slow":
                for index in range(step[1]):
                    delta({"content": f"word{index + 1} "})
                    self.wait(step[2])
            elif verb == "call":
                call = {"index": calls, "id": f"call_{number}_{calls}", "type": "function"}
                delta({"tool_calls": [{**call, "function": {"name": step[1], "arguments": ""}}]})
                for piece in pieces(json.dumps(step[2])):
                    delta({"tool_calls": [{"index": calls, "function": {"arguments": piece}}]})
                calls, finish = calls + 1, "tool_calls"
            elif verb == "usage":
                usage = step[1:]
            elif verb == "hang":
                self.wait(None)
            elif verb == "cut":
                raise Gone
            elif verb == "limit":
                finish = "length"
        delta({}, finish)
        chunk(choices=[], usage={
            "prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)})


def pieces(text):
    """A text in pieces of a few characters, of which a long one has not too many."""
    size = max(8, len(text) // 64)
    return [text[start:start + size] for start in range(0, len(text), size)]


class Model(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", port), Handler)
        self.lock = threading.Lock()
        self.request_count = 0
        self.failures = {}

    def note(self, record):
        with self.lock:
            print(json.dumps(record), flush=True)

    def note_request(self, body, conversation):
        with self.lock:
            self.request_count += 1
            number = self.request_count
            print(json.dumps({
                "request": number, "kind": "summary" if conversation.is_summary else "turn",
                "model": body.get("model"), "prompt": conversation.prompt, "line": conversation.line,
                "images": conversation.images, "messages": conversation.message_count,
                "results": conversation.results}), flush=True)
        return number

    def fails(self, conversation, times):
        key = (conversation.prompt, conversation.line)
        with self.lock:
            self.failures[key] = self.failures.get(key, 0) + 1
            return times is None or self.failures[key] <= times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    model = Model(parser.parse_args().port)
    model.note({"port": model.server_address[1]})
    try:
        model.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
