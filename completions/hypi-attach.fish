function __hypi-attach_should_offer_completions_for_flags_or_options -a expected_commands
    set -l non_repeating_flags_or_options $argv[2..]
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __hypi-attach_parse_tokens
    test "$commands" = "$expected_commands"; and return $non_repeating_flags_or_options_absent
end

function __hypi-attach_should_offer_completions_for_positional -a expected_commands positional_index_comparison expected_positional_index
    set -l non_repeating_flags_or_options
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __hypi-attach_parse_tokens
    test "$commands" = "$expected_commands" -a \( "$positional_index" "$positional_index_comparison" "$expected_positional_index" \)
end

function __hypi-attach_parse_tokens -S
    set -l unparsed_tokens (__hypi-attach_tokens -pc)
    switch $unparsed_tokens[1]
    case 'hypi-attach'
        __hypi-attach_parse_subcommand -r 1 'p/prompt=' 'json' 'jsonl-in' 'follow' 'role=' 'last' 'abort' 'stop' 'resume' 'no-wait' 'answer=+' 'deny' 'timeout=' 'jobs=' 'enter=' 'hypivisor=' 'token-file=' 'ca-file=' 'tls-pin=' 'insecure' 'version' 'h/help'
    end
end

function __hypi-attach_tokens
    if test (string split -m 1 -f 1 -- . "$FISH_VERSION") -gt 3
        commandline --tokens-raw $argv
    else
        commandline -o $argv
    end
end

function __hypi-attach_parse_subcommand -S -a positional_count
    argparse -s r -- $argv
    set -l option_specs $argv[2..]
    set -l is_repeating_positional $_flag_r
    set -el _flag_r
    set -a commands $unparsed_tokens[1]
    set positional_index 0
    while true
        set -e unparsed_tokens[1]
        argparse -sn "$commands" $option_specs -- $unparsed_tokens 2> /dev/null
        set unparsed_tokens $argv
        set positional_index (math $positional_index + 1)
        for non_repeating_flag_or_option in $non_repeating_flags_or_options
            if set -ql "_flag_$(string replace -a - _ -- $non_repeating_flag_or_option)"
                set non_repeating_flags_or_options_absent 1
                break
            end
        end
        test (count $unparsed_tokens) -eq 0 -o \( -z "$is_repeating_positional" -a "$positional_index" -gt "$positional_count" \) && break
    end
end

function __hypi-attach_complete_directories
    set -l token (commandline -t)
    __fish_complete_directories $token ''
end

function __hypi-attach_custom_completion
    set -x SAP_SHELL fish
    set -x SAP_SHELL_VERSION $FISH_VERSION
    set -l tokens (__hypi-attach_tokens -p)
    if test -z "$(__hypi-attach_tokens -t)"
        set -l index (count (__hypi-attach_tokens -pc))
        set tokens $tokens[..$index] \'\' $tokens[(math $index + 1)..]
    end
    command $tokens[1] $argv $tokens
end

complete -c 'hypi-attach' -f
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_positional "hypi-attach" -ge 1' -fka '(__hypi-attach_custom_completion ---completion -- positional@0 (count (__hypi-attach_tokens -pc)) (__hypi-attach_tokens -tC))'
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" p prompt' -s 'p' -l 'prompt' -d 'Send one prompt and print the answer.' -rfka ''
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" json' -l 'json' -d 'Print every record, a JSON object a line.'
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" jsonl-in' -l 'jsonl-in' -d 'Take commands as JSON lines, print every record.'
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" follow' -l 'follow' -d 'Only watch.'
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" role' -l 'role' -d 'What we may do.' -rfka 'controller observer'
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" last' -l 'last' -d 'Print the last answer and leave.'
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" abort' -l 'abort' -d 'Abort the running turn and leave.'
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" stop' -l 'stop' -d 'Ask agents to end, and wait until they have.'
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" resume' -l 'resume' -d 'Let agents continue that a guard stopped.'
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" no-wait' -l 'no-wait' -d 'Return once the request was accepted.'
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach"' -l 'answer' -d 'Answer to a dialog; repeatable.' -rfka ''
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" deny' -l 'deny' -d 'Refuse every dialog that --answer leaves over.'
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" timeout' -l 'timeout' -d 'Give up after this time, such as 30s or 5m (exit 124).' -rfka ''
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" jobs' -l 'jobs' -d 'Agents to talk to at once.' -rfka ''
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" enter' -l 'enter' -d 'What Enter does in the chat while the agent works.' -rfka 'steer queue'
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" hypivisor' -l 'hypivisor' -d 'Registry to talk to (HYPIVISOR_WS).' -rfka ''
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" token-file' -l 'token-file' -d 'File with the token (HYPI_TOKEN_FILE).' -rF
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" ca-file' -l 'ca-file' -d 'Authorities to trust on wss:// (HYPI_CA_FILE).' -rF
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" tls-pin' -l 'tls-pin' -d 'The one certificate to trust (HYPI_TLS_PIN).' -rfka ''
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" insecure' -l 'insecure' -d 'Send the token over plain ws:// to another machine.'
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" version' -l 'version' -d 'Show the version.'
complete -c 'hypi-attach' -n '__hypi-attach_should_offer_completions_for_flags_or_options "hypi-attach" h help' -s 'h' -l 'help' -d 'Show help information.'
