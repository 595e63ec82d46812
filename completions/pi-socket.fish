function __pi-socket_should_offer_completions_for_flags_or_options -a expected_commands
    set -l non_repeating_flags_or_options $argv[2..]
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __pi-socket_parse_tokens
    test "$commands" = "$expected_commands"; and return $non_repeating_flags_or_options_absent
end

function __pi-socket_should_offer_completions_for_positional -a expected_commands positional_index_comparison expected_positional_index
    set -l non_repeating_flags_or_options
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __pi-socket_parse_tokens
    test "$commands" = "$expected_commands" -a \( "$positional_index" "$positional_index_comparison" "$expected_positional_index" \)
end

function __pi-socket_parse_tokens -S
    set -l unparsed_tokens (__pi-socket_tokens -pc)
    switch $unparsed_tokens[1]
    case 'pi-socket'
        __pi-socket_parse_subcommand -r 1 'pi=' 'cwd=' 'name=' 'id=' 'p/port=' 'host=' 'hypivisor=' 'token-file=' 'ca-file=' 'tls-pin=' 'insecure' 'tls-cert=' 'tls-key=' 'standalone' 'detach' 'stdio' 'no-extension' 'restart=' 'grace=' 'ui-timeout=' 'replay=' 'max-clients=' 'max-cost=' 'max-turn=' 'max-repeats=' 'idle-exit=' 'hook=' 'no-auth' 'allow-origin=+' 'allow-host=+' 'log-file=' 'log-level=' 'log-format=' 'resume=' 'version' 'h/help'
    end
end

function __pi-socket_tokens
    if test (string split -m 1 -f 1 -- . "$FISH_VERSION") -gt 3
        commandline --tokens-raw $argv
    else
        commandline -o $argv
    end
end

function __pi-socket_parse_subcommand -S -a positional_count
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

function __pi-socket_complete_directories
    set -l token (commandline -t)
    __fish_complete_directories $token ''
end

function __pi-socket_custom_completion
    set -x SAP_SHELL fish
    set -x SAP_SHELL_VERSION $FISH_VERSION
    set -l tokens (__pi-socket_tokens -p)
    if test -z "$(__pi-socket_tokens -t)"
        set -l index (count (__pi-socket_tokens -pc))
        set tokens $tokens[..$index] \'\' $tokens[(math $index + 1)..]
    end
    command $tokens[1] $argv $tokens
end

complete -c 'pi-socket' -f
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" pi' -l 'pi' -d 'The pi to run (HYPI_PI; default: pi).' -rF
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" cwd' -l 'cwd' -d 'Folder to work in (default: this one).' -rfa '(__pi-socket_complete_directories)'
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" name' -l 'name' -d 'Name in lists (default: the session\'s own).' -rfka ''
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" id' -l 'id' -d 'Node id (default: <folder>-<6 characters>).' -rfka ''
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" p port' -l 'port' -s 'p' -d 'Port; 0 for any (PI_SOCKET_PORT; default: 8080 or up).' -rfka ''
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" host' -l 'host' -d 'Address to listen on.' -rfka ''
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" hypivisor' -l 'hypivisor' -d 'Registry to talk to (HYPIVISOR_WS).' -rfka ''
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" token-file' -l 'token-file' -d 'File with the token (HYPI_TOKEN_FILE).' -rF
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" ca-file' -l 'ca-file' -d 'Authorities to trust on wss:// (HYPI_CA_FILE).' -rF
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" tls-pin' -l 'tls-pin' -d 'The one certificate to trust (HYPI_TLS_PIN).' -rfka ''
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" insecure' -l 'insecure' -d 'Send the token over plain ws:// to another machine.'
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" tls-cert' -l 'tls-cert' -d 'Serve wss:// with this certificate (PEM).' -rF
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" tls-key' -l 'tls-key' -d 'Its key (PEM).' -rF
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" standalone' -l 'standalone' -d 'Do not register with a hypivisor.'
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" detach' -l 'detach' -d 'Run in the background, in a session of its own.'
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" stdio' -l 'stdio' -d 'Speak as pi --mode rpc on stdin and stdout.'
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" no-extension' -l 'no-extension' -d 'Leave out the extension that lists pi\'s tools.'
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" restart' -l 'restart' -d 'Restart pi after a crash (default: on-failure).' -rfka 'on-failure never'
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" grace' -l 'grace' -d 'Time to end a turn when stopped (default: 30s).' -rfka ''
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" ui-timeout' -l 'ui-timeout' -d 'Cancel dialogs that nobody is there to answer.' -rfka ''
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" replay' -l 'replay' -d 'Bytes kept for slow viewers (default: 16M).' -rfka ''
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" max-clients' -l 'max-clients' -d 'Viewers at once (default: 20000).' -rfka ''
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" max-cost' -l 'max-cost' -d 'Stop the agent beyond this cost.' -rfka ''
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" max-turn' -l 'max-turn' -d 'Stop a run that takes longer.' -rfka ''
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" max-repeats' -l 'max-repeats' -d 'Stop when the same tool call fails this often.' -rfka ''
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" idle-exit' -l 'idle-exit' -d 'End after this time without viewer and work.' -rfka ''
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" hook' -l 'hook' -d 'Command told of events on stdin (HYPI_HOOK).' -rF
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" no-auth' -l 'no-auth' -d 'Serve without a token, on loopback only.'
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket"' -l 'allow-origin' -d 'Allow browsers from this origin; repeatable.' -rfka ''
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket"' -l 'allow-host' -d 'A further name of this machine; repeatable.' -rfka ''
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" log-file' -l 'log-file' -d 'Write the log here instead of stderr.' -rF
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" log-level' -l 'log-level' -d 'Least level.' -rfka 'trace debug info warning error'
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" log-format' -l 'log-format' -d 'Their form.' -rfka 'text json'
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" resume' -l 'resume' -d 'Continue this session file.' -rF
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" version' -l 'version' -d 'Show the version.'
complete -c 'pi-socket' -n '__pi-socket_should_offer_completions_for_flags_or_options "pi-socket" h help' -s 'h' -l 'help' -d 'Show help information.'
