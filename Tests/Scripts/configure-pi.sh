#!/usr/bin/env bash
# Configures the pi of this HOME for the scripted model (Tests/Support/real-pi/scripted_model.py).
#
#   configure-pi.sh PORT     the model's port on 127.0.0.1
#
# pi then starts with `--provider scripted --model script`, which settings.json makes the default.
set -euo pipefail
folder=${PI_CODING_AGENT_DIR:-$HOME/.pi/agent}
mkdir -p "$folder"
cat >"$folder/models.json" <<JSON
{
  "providers": {
    "scripted": {
      "baseUrl": "http://127.0.0.1:$1/v1",
      "api": "openai-completions",
      "apiKey": "none-is-needed",
      "compat": {"supportsDeveloperRole": false, "supportsReasoningEffort": false},
      "models": [
        {
          "id": "script", "name": "Scripted", "reasoning": true, "input": ["text", "image"],
          "cost": {"input": 3, "output": 15, "cacheRead": 0, "cacheWrite": 0},
          "contextWindow": 200000, "maxTokens": 8192
        },
        {
          "id": "other", "name": "Other", "reasoning": false, "input": ["text"],
          "cost": {"input": 1, "output": 5, "cacheRead": 0, "cacheWrite": 0},
          "contextWindow": 100000, "maxTokens": 4096
        }
      ]
    }
  }
}
JSON
# Short waits before a retry, and a compaction that leaves little of a short conversation.
cat >"$folder/settings.json" <<JSON
{
  "defaultProvider": "scripted", "defaultModel": "script", "quietStartup": true,
  "compaction": {"keepRecentTokens": 20}, "retry": {"baseDelayMs": 200, "maxRetries": 2}
}
JSON
