function __hypi-spawn_should_offer_completions_for_flags_or_options -a expected_commands
    set -l non_repeating_flags_or_options $argv[2..]
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __hypi-spawn_parse_tokens
    test "$commands" = "$expected_commands"; and return $non_repeating_flags_or_options_absent
end

function __hypi-spawn_should_offer_completions_for_positional -a expected_commands positional_index_comparison expected_positional_index
    set -l non_repeating_flags_or_options
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __hypi-spawn_parse_tokens
    test "$commands" = "$expected_commands" -a \( "$positional_index" "$positional_index_comparison" "$expected_positional_index" \)
end

function __hypi-spawn_parse_tokens -S
    set -l unparsed_tokens (__hypi-spawn_tokens -pc)
    switch $unparsed_tokens[1]
    case 'hypi-spawn'
        __hypi-spawn_parse_subcommand -r 1 '0/null' 'new-folder=' 'name=' 'key=' 'if-absent' 'prompt=' 'resume=' 'max-cost=' 'max-turn=' 'max-repeats=' 'idle-exit=' 'hook=' 'jobs=' 'no-wait' 'local' 'timeout=' 'hypivisor=' 'token-file=' 'ca-file=' 'tls-pin=' 'insecure' 'version' 'h/help'
    end
end

function __hypi-spawn_tokens
    if test (string split -m 1 -f 1 -- . "$FISH_VERSION") -gt 3
        commandline --tokens-raw $argv
    else
        commandline -o $argv
    end
end

function __hypi-spawn_parse_subcommand -S -a positional_count
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

function __hypi-spawn_complete_directories
    set -l token (commandline -t)
    __fish_complete_directories $token ''
end

function __hypi-spawn_custom_completion
    set -x SAP_SHELL fish
    set -x SAP_SHELL_VERSION $FISH_VERSION
    set -l tokens (__hypi-spawn_tokens -p)
    if test -z "$(__hypi-spawn_tokens -t)"
        set -l index (count (__hypi-spawn_tokens -pc))
        set tokens $tokens[..$index] \'\' $tokens[(math $index + 1)..]
    end
    command $tokens[1] $argv $tokens
end

complete -c 'hypi-spawn' -f
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_positional "hypi-spawn" -ge 1' -fka '(__hypi-spawn_custom_completion ---completion -- positional@0 (count (__hypi-spawn_tokens -pc)) (__hypi-spawn_tokens -tC))'
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" 0 null' -s '0' -l 'null' -d 'With -: folders are separated by NUL.'
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" new-folder' -l 'new-folder' -d 'Make this folder below DIR and start there.' -rfka ''
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" name' -l 'name' -d 'The agent\'s name in lists.' -rfka ''
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" key' -l 'key' -d 'Start it only if no agent with this key runs.' -rfka ''
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" if-absent' -l 'if-absent' -d 'Start it only if no agent runs in the folder.'
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" prompt' -l 'prompt' -d 'Its first task; an agent that ran already gets it too.' -rfka ''
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" resume' -l 'resume' -d 'Go on with this session file, or session id.' -rF
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" max-cost' -l 'max-cost' -d 'Block the agent beyond this cost.' -rfka ''
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" max-turn' -l 'max-turn' -d 'Block it after a longer turn.' -rfka ''
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" max-repeats' -l 'max-repeats' -d 'Block it when the same call fails this often.' -rfka ''
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" idle-exit' -l 'idle-exit' -d 'End it after this time without work.' -rfka ''
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" hook' -l 'hook' -d 'Have it run this hook of the hypivisor on events.' -rfka ''
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" jobs' -l 'jobs' -d 'How many at a time.' -rfka ''
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" no-wait' -l 'no-wait' -d 'Do not wait until the agent is usable.'
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" local' -l 'local' -d 'Start it here if no hypivisor runs.'
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" timeout' -l 'timeout' -d 'Give up after this time, such as 30s or 5m (exit 124).' -rfka ''
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" hypivisor' -l 'hypivisor' -d 'Registry to talk to (HYPIVISOR_WS).' -rfka ''
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" token-file' -l 'token-file' -d 'File with the token (HYPI_TOKEN_FILE).' -rF
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" ca-file' -l 'ca-file' -d 'Authorities to trust on wss:// (HYPI_CA_FILE).' -rF
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" tls-pin' -l 'tls-pin' -d 'The one certificate to trust (HYPI_TLS_PIN).' -rfka ''
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" insecure' -l 'insecure' -d 'Send the token over plain ws:// to another machine.'
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" version' -l 'version' -d 'Show the version.'
complete -c 'hypi-spawn' -n '__hypi-spawn_should_offer_completions_for_flags_or_options "hypi-spawn" h help' -s 'h' -l 'help' -d 'Show help information.'
