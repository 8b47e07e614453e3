# bash completion for nhictl, printed by: nhictl completion bash
# Static: nothing is run at TAB. To use it: source <(nhictl completion bash)

_nhictl_words() { # the words that may follow: nouns, verbs, or none
    words=
    case "$1" in
        '') words='init agent task token freeze unfreeze run credential trust key policy approval audit guard serve crypto report doctor home selftest demo completion' ;;
        'agent') words='register apply list show update rotate-key svid suspend resume retire' ;;
        'task') words='open list show close kill' ;;
        'token') words='issue exchange delegate verify inspect revoke list show' ;;
        'credential') words='list revoke' ;;
        'trust') words='publish refresh add list explain remove lint' ;;
        'key') words='list prepare activate taint revoke rotate custody' ;;
        'policy') words='activate show check test lint diff who-can what-can simulate propose unused import export' ;;
        'approval') words='list show grant deny' ;;
        'audit') words='verify checkpoint prove witness bundle export tail record import replay detect state trace prune redact' ;;
        'guard') words='hook mcp install status' ;;
        'crypto') words='jws-verify dpop-verify jwks-lint jwk-thumbprint spiffe-id status-list spiffe-bundle' ;;
        'report') words='controls review' ;;
        'home') words='backup restore' ;;
    esac
}

_nhictl_options() { # all options of a verb
    words=
    case "$1" in
        'init') words='--trust-domain --issuer --custody --custody-helper --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'agent register') words='--owner --purpose --env --trust --group --label --public-key --generate-key --key-out --key-fd --expires --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'agent apply') words='--dry-run --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'agent list') words='--at --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'agent show') words='--at --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'agent update') words='--owner --purpose --env --no-env --trust --group --add-group --remove-group --label --remove-label --expires --attested --no-attested --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'agent rotate-key') words='--public-key --generate-key --key-out --key-fd --overlap --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'agent svid') words='--csr --key-out --key-fd --own-key --ttl --instance --bundle-out --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'agent suspend') words='--instance --reason --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'agent resume') words='--instance --reason --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'agent retire') words='--reason --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'task open') words='--agent --intent --purpose --for --allow --scope --deadline --max-tokens --max-calls --instance --delegate-to --max-depth --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'task list') words='--agent --ci-run --at --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'task show') words='--at --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'task close') words='--reason --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'task kill') words='--reason --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'token issue') words='--task --audience --ttl --instance --uses --profile --bind --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'token exchange') words='--trust --intent --audience --subject-token-file --subject-token-env --purpose --allow --ttl --deadline --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'token delegate') words='--to --allow --bind --parent-file --ttl --audience --instance --uses --dpop-proof --client-cert --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'token verify') words='--audience --token-file --tool --arg --resource --context --supported --at --consume --profile --dpop-proof --htm --htu --client-cert --offline --jwks --issuer --status-list --max-stale --batch --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'token inspect') words='--token-file --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'token revoke') words='--jti --token-file --task --agent --instance --kid --principal --issued --ci-run --reason --dry-run --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'token list') words='--task --agent --ci-run --live --revoked-by --at --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'token show') words='--at --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'freeze') words='--reason --all --agent --group --env --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'unfreeze') words='--all --agent --group --env --reason --key --key-passphrase-file --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'run') words='--audience --task --agent --intent --purpose --allow --for --deadline --max-calls --instance --ttl --deliver --credential --keep-env --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'credential revoke') words='--task --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'trust publish') words='--out --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'trust add') words='--replace --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'trust list') words='--at --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'trust explain') words='--subject-token-file --subject-token-env --at --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'trust remove') words='--end-tasks --reason --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'key list') words='--at --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'key prepare') words='--use --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'key activate') words='--now --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'key taint') words='--reason --now --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'key revoke') words='--reason --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'key rotate') words='--log --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'key custody') words='--custody-helper --new-passphrase-file --new-key --erase-old --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'policy activate') words='--accept-gained --key --key-passphrase-file --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'policy show') words='--at --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'policy check') words='--agent --intent --task --tool --arg --resource --context --supported --at --policy --registry --request --batch --format --explain --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'policy test') words='--min-coverage --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'policy lint') words='--registry --supported --strict --at --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'policy diff') words='--registry --no-new-access --at --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'policy who-can') words='--tool --arg --resource --policy --registry --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'policy what-can') words='--agent --policy --registry --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'policy simulate') words='--new --log --format --old --recorded --registry --assume-registered --fail-on --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'policy propose') words='--log --format --intent --runs --as --closed --policy --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'policy unused') words='--log --format --runs --policy --scope --narrowest --fail --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'policy import') words='--from --id --prefix --open-unmapped --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'policy export') words='--to --policy --registry --part --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'approval list') words='--task --waiting --at --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'approval show') words='--statement --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'approval grant') words='--key --key-passphrase-file --signature --yes --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'approval deny') words='--reason --key --key-passphrase-file --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'audit verify') words='--segment --keys --anchor --state --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'audit prove') words='--seq --old --size --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'audit witness') words='--state --keys --name --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'audit bundle') words='--out --agent --task --token --since --until --disclose --segment --anchor --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'audit export') words='--to --since --until --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'audit tail') words='-f --follow -n --from-seq --to --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'audit record') words='--token-file --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'audit import') words='--format --map --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'audit replay') words='--format --map --agent --task --token --run --instance --principal --tool --resource --since --until --keys --view --html --mermaid --dot --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'audit detect') words='--format --map --rule --fail-on --policy --scope --keys --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'audit state') words='--at --keys --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'audit trace') words='--since --keys --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'audit prune') words='--before --out --dry-run --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'audit redact') words='--task --subject --record --reason --end-tasks --dry-run --finish --key --key-passphrase-file --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'guard hook') words='--audience --performs --deny-as --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'guard mcp') words='--url --listen --authorization-file --audience --task --prefix --pass --keep-env --performs --deny-as --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'guard install') words='--project --user --agent --intent --purpose --allow --deadline --audience --performs --print --remove --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'serve') words='--socket --listen --open-to --beyond-loopback --url --audience --public --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'crypto jws-verify') words='--jwk --raw --batch --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'crypto dpop-verify') words='--htm --htu --jkt --token-file --at --batch --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'crypto jwks-lint') words='--batch --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'crypto jwk-thumbprint') words='--batch --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'crypto spiffe-id') words='--batch --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'crypto status-list') words='--list --idx --encode --bits --batch --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'crypto spiffe-bundle') words='--batch --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'report controls') words='--framework --control --fail-on --at --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'report review') words='--at --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'doctor') words='--accept-restore --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'home backup') words='--with-keys --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'home restore') words='--keys --replace --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        'selftest') words='--negative --home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
        *) words='--home --store -o --output --json --passphrase-file --no-color --debug --version -h --help' ;;
    esac
}

_nhictl_option() { # what an option takes: nothing if it is a flag
    kind=
    case "$1:$2" in
        'init':--trust-domain | 'init':--issuer | 'init':--custody | 'init':--custody-helper) kind=text ;;
        'agent register':--owner | 'agent register':--purpose | 'agent register':--env | 'agent register':--group | 'agent register':--label | 'agent register':--key-fd | 'agent register':--expires) kind=text ;;
        'agent register':--trust) kind='is 0 1 2 3' ;;
        'agent register':--public-key | 'agent register':--key-out) kind=file ;;
        'agent list':--at) kind=text ;;
        'agent show':--at) kind=text ;;
        'agent update':--owner | 'agent update':--purpose | 'agent update':--env | 'agent update':--trust | 'agent update':--group | 'agent update':--add-group | 'agent update':--remove-group | 'agent update':--label | 'agent update':--remove-label) kind=text ;;
        'agent update':--expires) kind='is 90d never' ;;
        'agent rotate-key':--public-key | 'agent rotate-key':--key-out) kind=file ;;
        'agent rotate-key':--key-fd | 'agent rotate-key':--overlap) kind=text ;;
        'agent svid':--csr | 'agent svid':--key-out | 'agent svid':--bundle-out) kind=file ;;
        'agent svid':--key-fd | 'agent svid':--ttl | 'agent svid':--instance) kind=text ;;
        'agent suspend':--instance | 'agent suspend':--reason) kind=text ;;
        'agent resume':--instance | 'agent resume':--reason) kind=text ;;
        'agent retire':--reason) kind=text ;;
        'task open':--agent | 'task open':--intent | 'task open':--purpose | 'task open':--for | 'task open':--allow | 'task open':--deadline | 'task open':--max-tokens | 'task open':--max-calls | 'task open':--instance | 'task open':--delegate-to | 'task open':--max-depth) kind=text ;;
        'task open':--scope) kind=file ;;
        'task list':--agent | 'task list':--ci-run | 'task list':--at) kind=text ;;
        'task show':--at) kind=text ;;
        'task close':--reason) kind=text ;;
        'task kill':--reason) kind=text ;;
        'token issue':--task | 'token issue':--audience | 'token issue':--ttl | 'token issue':--instance | 'token issue':--uses | 'token issue':--bind) kind=text ;;
        'token issue':--profile) kind='is at+jwt jwt-svid' ;;
        'token exchange':--trust | 'token exchange':--intent | 'token exchange':--audience | 'token exchange':--subject-token-env | 'token exchange':--purpose | 'token exchange':--allow | 'token exchange':--ttl | 'token exchange':--deadline) kind=text ;;
        'token exchange':--subject-token-file) kind=file ;;
        'token delegate':--to | 'token delegate':--allow | 'token delegate':--bind | 'token delegate':--ttl | 'token delegate':--audience | 'token delegate':--instance | 'token delegate':--uses) kind=text ;;
        'token delegate':--parent-file | 'token delegate':--dpop-proof | 'token delegate':--client-cert) kind=file ;;
        'token verify':--audience | 'token verify':--tool | 'token verify':--arg | 'token verify':--resource | 'token verify':--context | 'token verify':--supported | 'token verify':--at | 'token verify':--htm | 'token verify':--htu | 'token verify':--issuer | 'token verify':--max-stale) kind=text ;;
        'token verify':--token-file | 'token verify':--dpop-proof | 'token verify':--client-cert | 'token verify':--jwks | 'token verify':--status-list | 'token verify':--batch) kind=file ;;
        'token verify':--profile) kind='is at+jwt jwt-svid generic' ;;
        'token inspect':--token-file) kind=file ;;
        'token revoke':--jti | 'token revoke':--task | 'token revoke':--agent | 'token revoke':--instance | 'token revoke':--kid | 'token revoke':--principal | 'token revoke':--issued | 'token revoke':--ci-run | 'token revoke':--reason) kind=text ;;
        'token revoke':--token-file) kind=file ;;
        'token list':--task | 'token list':--agent | 'token list':--ci-run | 'token list':--revoked-by | 'token list':--at) kind=text ;;
        'token show':--at) kind=text ;;
        'freeze':--reason | 'freeze':--agent | 'freeze':--group | 'freeze':--env) kind=text ;;
        'unfreeze':--agent | 'unfreeze':--group | 'unfreeze':--env | 'unfreeze':--reason) kind=text ;;
        'unfreeze':--key | 'unfreeze':--key-passphrase-file) kind=file ;;
        'run':--audience | 'run':--task | 'run':--agent | 'run':--intent | 'run':--purpose | 'run':--allow | 'run':--for | 'run':--deadline | 'run':--max-calls | 'run':--instance | 'run':--ttl | 'run':--credential | 'run':--keep-env) kind=text ;;
        'run':--deliver) kind='is fd file env' ;;
        'credential revoke':--task) kind=text ;;
        'trust publish':--out) kind=directory ;;
        'trust list':--at) kind=text ;;
        'trust explain':--subject-token-file) kind=file ;;
        'trust explain':--subject-token-env | 'trust explain':--at) kind=text ;;
        'trust remove':--reason) kind=text ;;
        'key list':--at) kind=text ;;
        'key prepare':--use) kind=text ;;
        'key taint':--reason) kind=text ;;
        'key revoke':--reason) kind=text ;;
        'key custody':--custody-helper) kind=text ;;
        'key custody':--new-passphrase-file) kind=file ;;
        'policy activate':--key | 'policy activate':--key-passphrase-file) kind=file ;;
        'policy show':--at) kind=text ;;
        'policy check':--agent | 'policy check':--intent | 'policy check':--task | 'policy check':--tool | 'policy check':--arg | 'policy check':--resource | 'policy check':--context | 'policy check':--supported | 'policy check':--at) kind=text ;;
        'policy check':--policy | 'policy check':--registry | 'policy check':--request | 'policy check':--batch) kind=file ;;
        'policy check':--format) kind='is nhictl authzen' ;;
        'policy test':--min-coverage) kind=text ;;
        'policy lint':--registry) kind=file ;;
        'policy lint':--supported | 'policy lint':--at) kind=text ;;
        'policy diff':--registry) kind=file ;;
        'policy diff':--at) kind=text ;;
        'policy who-can':--tool | 'policy who-can':--arg | 'policy who-can':--resource) kind=text ;;
        'policy who-can':--policy | 'policy who-can':--registry) kind=file ;;
        'policy what-can':--agent) kind=text ;;
        'policy what-can':--policy | 'policy what-can':--registry) kind=file ;;
        'policy simulate':--new | 'policy simulate':--log | 'policy simulate':--old | 'policy simulate':--registry) kind=file ;;
        'policy simulate':--format) kind=text ;;
        'policy simulate':--fail-on) kind='is gained revoked' ;;
        'policy propose':--log | 'policy propose':--policy) kind=file ;;
        'policy propose':--format | 'policy propose':--intent | 'policy propose':--runs) kind=text ;;
        'policy propose':--as) kind='is scope rules' ;;
        'policy unused':--log | 'policy unused':--policy | 'policy unused':--scope) kind=file ;;
        'policy unused':--format | 'policy unused':--runs) kind=text ;;
        'policy import':--from | 'policy import':--id | 'policy import':--prefix) kind=text ;;
        'policy export':--to) kind='is cedar authzen' ;;
        'policy export':--policy | 'policy export':--registry) kind=file ;;
        'policy export':--part) kind='is policies schema entities' ;;
        'approval list':--task | 'approval list':--at) kind=text ;;
        'approval grant':--key | 'approval grant':--key-passphrase-file | 'approval grant':--signature) kind=file ;;
        'approval deny':--reason) kind=text ;;
        'approval deny':--key | 'approval deny':--key-passphrase-file) kind=file ;;
        'audit verify':--segment | 'audit verify':--keys | 'audit verify':--anchor) kind=file ;;
        'audit prove':--seq | 'audit prove':--old | 'audit prove':--size) kind=text ;;
        'audit witness':--state) kind=directory ;;
        'audit witness':--keys) kind=file ;;
        'audit witness':--name) kind=text ;;
        'audit bundle':--out | 'audit bundle':--segment | 'audit bundle':--anchor) kind=file ;;
        'audit bundle':--agent | 'audit bundle':--task | 'audit bundle':--token | 'audit bundle':--since | 'audit bundle':--until | 'audit bundle':--disclose) kind=text ;;
        'audit export':--to) kind='is native' ;;
        'audit export':--since | 'audit export':--until) kind=text ;;
        'audit tail':-n | 'audit tail':--from-seq | 'audit tail':--to) kind=text ;;
        'audit record':--token-file) kind=file ;;
        'audit import':--format) kind='is claude-code codex agentdojo swe-agent otlp openai-agents mcp cloudtrail generic' ;;
        'audit import':--map) kind=file ;;
        'audit replay':--format) kind='is nhictl claude-code codex agentdojo swe-agent otlp openai-agents mcp cloudtrail generic' ;;
        'audit replay':--map | 'audit replay':--keys | 'audit replay':--html) kind=file ;;
        'audit replay':--agent | 'audit replay':--task | 'audit replay':--token | 'audit replay':--run | 'audit replay':--instance | 'audit replay':--principal | 'audit replay':--tool | 'audit replay':--resource | 'audit replay':--since | 'audit replay':--until) kind=text ;;
        'audit replay':--view) kind='is timeline tree scope delegation' ;;
        'audit detect':--format | 'audit detect':--rule | 'audit detect':--fail-on) kind=text ;;
        'audit detect':--map | 'audit detect':--policy | 'audit detect':--scope | 'audit detect':--keys) kind=file ;;
        'audit state':--at) kind=text ;;
        'audit state':--keys) kind=file ;;
        'audit trace':--since) kind=text ;;
        'audit trace':--keys) kind=file ;;
        'audit prune':--before) kind=text ;;
        'audit prune':--out) kind=file ;;
        'audit redact':--task | 'audit redact':--subject | 'audit redact':--record | 'audit redact':--reason) kind=text ;;
        'audit redact':--key | 'audit redact':--key-passphrase-file) kind=file ;;
        'guard hook':--audience | 'guard hook':--performs) kind=text ;;
        'guard hook':--deny-as) kind='is json exit' ;;
        'guard mcp':--url | 'guard mcp':--listen | 'guard mcp':--audience | 'guard mcp':--task | 'guard mcp':--prefix | 'guard mcp':--pass | 'guard mcp':--keep-env | 'guard mcp':--performs) kind=text ;;
        'guard mcp':--authorization-file) kind=file ;;
        'guard mcp':--deny-as) kind='is result error' ;;
        'guard install':--project) kind=directory ;;
        'guard install':--agent | 'guard install':--intent | 'guard install':--purpose | 'guard install':--allow | 'guard install':--deadline | 'guard install':--audience | 'guard install':--performs) kind=text ;;
        'serve':--socket) kind=file ;;
        'serve':--listen | 'serve':--open-to | 'serve':--url | 'serve':--audience) kind=text ;;
        'serve':--public) kind=directory ;;
        'crypto jws-verify':--jwk | 'crypto jws-verify':--batch) kind=file ;;
        'crypto dpop-verify':--htm | 'crypto dpop-verify':--htu | 'crypto dpop-verify':--jkt | 'crypto dpop-verify':--at) kind=text ;;
        'crypto dpop-verify':--token-file | 'crypto dpop-verify':--batch) kind=file ;;
        'crypto jwks-lint':--batch) kind=file ;;
        'crypto jwk-thumbprint':--batch) kind=file ;;
        'crypto spiffe-id':--batch) kind=file ;;
        'crypto status-list':--list | 'crypto status-list':--encode | 'crypto status-list':--batch) kind=file ;;
        'crypto status-list':--idx) kind=text ;;
        'crypto status-list':--bits) kind='is 1 2 4 8' ;;
        'crypto spiffe-bundle':--batch) kind=file ;;
        'report controls':--framework) kind='is owasp-asi-2026 owasp-nhi-2025 maestro nist-ai-rmf' ;;
        'report controls':--control | 'report controls':--fail-on | 'report controls':--at) kind=text ;;
        'report review':--at) kind=text ;;
        'home restore':--keys) kind=file ;;
        *:--home) kind=directory ;;
        *:--store) kind=text ;;
        *:-o | *:--output) kind='is table json jsonl csv tsv markdown' ;;
        *:--passphrase-file) kind=file ;;
    esac
}

_nhictl_argument() { # what the argument of that number is
    kind=
    case "$1:$2" in
        'agent register':0) kind=text ;;
        'agent apply':0) kind=file ;;
        'agent show':0) kind=text ;;
        'agent update':0) kind=text ;;
        'agent rotate-key':0) kind=text ;;
        'agent svid':0) kind=text ;;
        'agent suspend':0) kind=text ;;
        'agent resume':0) kind=text ;;
        'agent retire':0) kind=text ;;
        'task show':0) kind=text ;;
        'task close':0) kind=text ;;
        'task kill':0) kind=text ;;
        'token show':0) kind=text ;;
        'run':*) kind=text ;;
        'trust add':0) kind=file ;;
        'trust explain':0) kind=text ;;
        'trust remove':0) kind=text ;;
        'trust lint':*) kind=file ;;
        'key activate':0) kind=text ;;
        'key taint':0) kind=text ;;
        'key revoke':0) kind=text ;;
        'key custody':0) kind=text ;;
        'policy activate':*) kind=file ;;
        'policy test':*) kind=file ;;
        'policy lint':*) kind=file ;;
        'policy diff':0) kind=text ;;
        'policy diff':1) kind=text ;;
        'policy propose':*) kind=file ;;
        'policy unused':*) kind=file ;;
        'policy import':0) kind=file ;;
        'approval show':0) kind=text ;;
        'approval grant':0) kind=text ;;
        'approval deny':0) kind=text ;;
        'audit verify':*) kind=file ;;
        'audit witness':0) kind=file ;;
        'audit record':0) kind=text ;;
        'audit import':*) kind=file ;;
        'audit replay':*) kind=file ;;
        'audit detect':*) kind=file ;;
        'audit state':*) kind=file ;;
        'audit trace':0) kind=text ;;
        'audit trace':*) kind=file ;;
        'guard hook':0) kind='is claude-code codex' ;;
        'guard mcp':*) kind=text ;;
        'guard install':0) kind='is claude-code codex' ;;
        'crypto jws-verify':0) kind=file ;;
        'crypto dpop-verify':0) kind=file ;;
        'crypto jwks-lint':0) kind=file ;;
        'crypto jwk-thumbprint':0) kind=file ;;
        'crypto spiffe-id':0) kind=text ;;
        'crypto spiffe-bundle':0) kind=file ;;
        'home backup':0) kind=text ;;
        'home restore':0) kind=file ;;
        'completion':0) kind='is bash zsh fish' ;;
    esac
}

_nhictl() {
    local IFS=$' \t\n'
    local cur= command= option= word kind words before=
    local -a line=()
    local -i at given=0 ended=0
    COMPREPLY=()
    # readline takes `--output=json` and `https://…` apart at = and : (COMP_WORDBREAKS): put such words together again.
    for ((at = 1; at <= COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        if ((${#line[@]})) && [[ $word == [=:]* || $cur == *[=:] ]]; then
            line[${#line[@]} - 1]+=$word
        else
            line+=("$word")
        fi
        cur=${line[${#line[@]} - 1]}
    done
    # What stands before the cursor: which verb, how many arguments, and whether an option waits for its value.
    for ((at = 0; at < ${#line[@]} - 1; at++)); do
        word=${line[at]}
        if [[ -n $option ]]; then
            option=
        elif ((ended)); then
            given+=1
        elif [[ $word == -- ]]; then
            ended=1
        elif [[ $word == -* ]]; then
            _nhictl_option "$command" "$word"
            [[ -z $kind ]] || option=$word
        else
            _nhictl_words "$command"
            if [[ -z $words ]]; then
                given+=1
            elif [[ " $words " == *" $word "* ]]; then
                command+=${command:+ }$word
            else
                return 0
            fi
        fi
    done
    if [[ -n $option ]]; then
        _nhictl_option "$command" "$option"
    elif ((ended == 0)) && [[ $cur == --*=* ]]; then
        before=${cur%%=*}= cur=${cur#*=}
        _nhictl_option "$command" "${before%=}"
        [[ ${COMP_WORDS[COMP_CWORD]} == "$before"* ]] || before=
    elif ((ended == 0)) && [[ $cur == -[!-]?* ]]; then
        before=${cur:0:2} cur=${cur:2}
        _nhictl_option "$command" "$before"
    else
        _nhictl_words "$command"
        kind="is $words"
        [[ -n $words ]] || _nhictl_argument "$command" "$given"
        if ((ended == 0)) && [[ $cur == -* || -z $kind ]]; then
            _nhictl_options "$command"
            kind="is $words"
        fi
    fi
    case $kind in
        file) compopt -o default ;;
        directory) compopt -o dirnames ;;
        'is '*) COMPREPLY=($(compgen -P "$before" -W "${kind#is }" -- "$cur")) ;;
    esac
}
complete -F _nhictl nhictl
