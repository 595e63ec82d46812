function __hypivisor_should_offer_completions_for_flags_or_options -a expected_commands
    set -l non_repeating_flags_or_options $argv[2..]
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __hypivisor_parse_tokens
    test "$commands" = "$expected_commands"; and return $non_repeating_flags_or_options_absent
end

function __hypivisor_should_offer_completions_for_positional -a expected_commands positional_index_comparison expected_positional_index
    set -l non_repeating_flags_or_options
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __hypivisor_parse_tokens
    test "$commands" = "$expected_commands" -a \( "$positional_index" "$positional_index_comparison" "$expected_positional_index" \)
end

function __hypivisor_parse_tokens -S
    set -l unparsed_tokens (__hypivisor_tokens -pc)
    switch $unparsed_tokens[1]
    case 'hypivisor'
        __hypivisor_parse_subcommand 0 'p/port=' 'host=' 't/node-ttl=' 'heartbeat=' 'root=+' 'allow-origin=+' 'allow-host=+' 'token-file=' 'tls-cert=' 'tls-key=' 'tls-self-signed' 'no-auth' 'max-connections=' 'max-agents=' 'no-spawn' 'spawn-hook=+' 'allow-hooks' 'allow-args' 'spawn-command=' 'env=+' 'clean-env' 'print-events' 'log-level=' 'log-format=' 'systemd-unit' 'version' 'h/help'
    end
end

function __hypivisor_tokens
    if test (string split -m 1 -f 1 -- . "$FISH_VERSION") -gt 3
        commandline --tokens-raw $argv
    else
        commandline -o $argv
    end
end

function __hypivisor_parse_subcommand -S -a positional_count
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

function __hypivisor_complete_directories
    set -l token (commandline -t)
    __fish_complete_directories $token ''
end

function __hypivisor_custom_completion
    set -x SAP_SHELL fish
    set -x SAP_SHELL_VERSION $FISH_VERSION
    set -l tokens (__hypivisor_tokens -p)
    if test -z "$(__hypivisor_tokens -t)"
        set -l index (count (__hypivisor_tokens -pc))
        set tokens $tokens[..$index] \'\' $tokens[(math $index + 1)..]
    end
    command $tokens[1] $argv $tokens
end

complete -c 'hypivisor' -f
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" p port' -l 'port' -s 'p' -d 'Port to listen on; 0 for any.' -rfka ''
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" host' -l 'host' -d 'Address to listen on.' -rfka ''
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" node-ttl t' -s 't' -l 'node-ttl' -d 'A gone agent stays listed this long (default: 30s).' -rfka ''
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" heartbeat' -l 'heartbeat' -d 'Time between pings (default: 15s).' -rfka ''
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor"' -l 'root' -d 'Agents live below it; repeatable (default: HOME).' -rfa '(__hypivisor_complete_directories)'
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor"' -l 'allow-origin' -d 'Allow browsers from this origin; repeatable.' -rfka ''
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor"' -l 'allow-host' -d 'A further name of this machine; repeatable.' -rfka ''
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" token-file' -l 'token-file' -d 'File with the token (HYPI_TOKEN_FILE).' -rF
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" tls-cert' -l 'tls-cert' -d 'Serve wss:// with this certificate (PEM).' -rF
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" tls-key' -l 'tls-key' -d 'Its key (PEM).' -rF
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" tls-self-signed' -l 'tls-self-signed' -d 'Serve wss:// with a certificate of our own making.'
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" no-auth' -l 'no-auth' -d 'Serve without a token, on loopback only.'
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" max-connections' -l 'max-connections' -d 'Connections at once.' -rfka ''
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" max-agents' -l 'max-agents' -d 'Agents started from here at once.' -rfka ''
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" no-spawn' -l 'no-spawn' -d 'Do not start agents.'
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor"' -l 'spawn-hook' -d 'A hook that clients may ask for by its name; repeatable.' -rfka ''
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" allow-hooks' -l 'allow-hooks' -d 'Run any command that a client with the token sends as a hook.'
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" allow-args' -l 'allow-args' -d 'Take arguments for pi from any client with the token, not only from this user here.'
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" spawn-command' -l 'spawn-command' -d 'What starts an agent (default: pi-socket).' -rfka ''
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor"' -l 'env' -d 'A variable for agents, also with --clean-env; repeatable.' -rfka ''
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" clean-env' -l 'clean-env' -d 'Pass agents only the usual variables and those of --env.'
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" print-events' -l 'print-events' -d 'Print roster events, a JSON object a line.'
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" log-level' -l 'log-level' -d 'Least level.' -rfka 'trace debug info warning error'
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" log-format' -l 'log-format' -d 'Their form.' -rfka 'text json'
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" systemd-unit' -l 'systemd-unit' -d 'Print a systemd user unit and exit.'
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" version' -l 'version' -d 'Show the version.'
complete -c 'hypivisor' -n '__hypivisor_should_offer_completions_for_flags_or_options "hypivisor" h help' -s 'h' -l 'help' -d 'Show help information.'
