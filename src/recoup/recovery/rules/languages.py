"""What systems say in other languages: the wording of glibc, shells and PostgreSQL."""

from __future__ import annotations

from typing import Final

from recoup.model.failure import FailureKind as Kind
from recoup.recovery.rules.words import Block

TRANSLATED: Final[tuple[Block, ...]] = (
    (
        Kind.DISK,
        """
        auf dem gerät ist kein speicherplatz mehr | kein speicherplatz | espace disque insuffisant |
        aucun espace disponible | plus d'espace | plus de place | no queda espacio | espacio insuficiente |
        não há espaço | spazio insufficiente | spazio esaurito | на устройстве не осталось | недостаточно места |
        デバイスに空き領域が | 設備上沒有空間 | 设备上没有空间 | 设备空间不足 | 磁盘空间不足 | geen ruimte meer |
        brak miejsca | spazio su disco | zu viele offene dateien | trop de fichiers ouverts |
        demasiados archivos abiertos | 打开的文件过多 | aygıtta boş yer | 장치에 남은 공간이
        """,
    ),
    (
        Kind.MEMORY,
        """
        speicher kann nicht | nicht genügend arbeitsspeicher | speicher aufgebraucht | nicht genug speicher |
        mémoire insuffisante | impossible d'allouer | memoria insuficiente | no se puede asignar memoria |
        memoria agotada | memória insuficiente | memória esgotada | memoria esaurita | impossibile allocare |
        не хватает памяти | недостаточно памяти | невозможно выделить память | 内存不足 | 无法分配内存 |
        メモリが足りません | メモリ不足 | メモリを確保できません | onvoldoende geheugen
        """,
    ),
    (
        Kind.CONFLICT,
        """
        verklemmung | blocage détecté | interblocage | bloqueo mutuo | deadlock | взаимоблокировк* |
        взаимная блокировка | 检测到死锁 | 死锁 | デッドロック | adresse wird bereits verwendet |
        adresse déjà utilisée | la dirección ya se está usando | endereço já em uso | indirizzo già in uso |
        адрес уже используется | 地址已在使用 | アドレスは既に使用 | datenbank ist gesperrt |
        base de données est verrouillée | ist gesperrt | est verrouillé* | está bloqueada | заблокирован*
        """,
    ),
    (
        Kind.CONFLICT,
        """
        doppelter schlüsselwert | clé dupliquée | valeur d'une clé dupliquée | llave duplicada | clave duplicada |
        chave duplicada | chiave duplicata | повторяющееся значение ключа | 重复键 | 重複したキー |
        existiert bereits | existe déjà | ya existe | já existe | esiste già | уже существует | 已存在 | 既に存在
        """,
    ),
    (
        Kind.AUTH,
        """
        passwort-authentifizierung | anmeldung fehlgeschlagen | anmeldefehler | authentifizierung fehlgeschlagen |
        authentification par mot de passe | échec de l'authentification | authentification échouée |
        échec de la connexion de l'utilisateur | autentificación … falló | autenticación … falló |
        falló la autenticación | la autentificación | error de inicio de sesión | autenticação … falhou |
        falha na autenticação | autenticazione … fallita | не прошёл проверку подлинности |
        не пройдена аутентификация | ошибка аутентификации | 密码认证失败 | 身份验证失败 | 认证失败 | 登录失败 |
        認証に失敗 | パスワード認証 | ログインに失敗 | wachtwoord onjuist | ungültige anmeldedaten |
        zugangsdaten | token abgelaufen | jeton expiré
        """,
    ),
    (
        Kind.PERMISSION,
        """
        keine berechtigung | zugriff verweigert | zugriff abgelehnt | vorgang nicht zulässig |
        die operation ist nicht erlaubt | dateisystem ist nur lesbar | permission non accordée |
        permission refusée | droit refusé | accès refusé | opération non permise |
        système de fichiers accessible en lecture seulement | permiso denegado | acceso denegado |
        operación no permitida | permissão negada | acesso negado | operação não permitida | permesso negato |
        accesso negato | operazione non permessa | отказано в доступе | нет доступа | операция не позволена |
        доступ запрещ* | 权限不够 | 权限不足 | 拒绝访问 | 不允许的操作 | 許可がありません | アクセスが拒否 |
        許可されていない操作 | toegang geweigerd | brak dostępu | odmowa dostępu | åtkomst nekas |
        tilladelse nægtet | erişim engellendi | 허가 거부
        """,
    ),
    (
        Kind.CONFIG,
        """
        befehl nicht gefunden | kommando nicht gefunden | commande introuvable | orden no encontrada |
        no se encontró la orden | comando no encontrado | comando não encontrado | comando non trovato |
        команда не найдена | 未找到命令 | コマンドが見つかりません | opdracht niet gevonden |
        nie znaleziono polecenia | umgebungsvariable | variable d'environnement | variable de entorno |
        переменная окружения | 环境变量 | 環境変数
        """,
    ),
    (
        Kind.LOGIC,
        """
        division durch null | division par zéro | división por cero | división entre cero | divisão por zero |
        divisione per zero | деление на ноль | деление на 0 | 除以零 | 除数为零 | ゼロ除算 | 0 で除算 |
        syntaxfehler | erreur de syntaxe | error de sintaxis | erro de sintaxe | errore di sintassi |
        ошибка синтаксиса | 语法错误 | 構文エラー
        """,
    ),
    (
        Kind.CONTRACT,
        """
        spalte … existiert nicht | spalte … nicht gefunden | spalte … fehlt | la colonne … n'existe pas |
        colonne … manquante | no existe la columna | columna … no existe | falta la columna |
        a coluna … não existe | coluna … não existe | la colonna … non esiste | столбец … не существует |
        字段 … 不存在 | 列 … 不存在 | 列 … 存在しません | ungültige eingabesyntax | syntaxe en entrée invalide |
        sintaxis de entrada no válida | неверный синтаксис для типа | nicht-null-constraint |
        contrainte not null | restricción de no nulo | ограничение not null | ограничение not-null
        """,
    ),
    (
        Kind.MISSING,
        """
        datei oder verzeichnis nicht gefunden | datei nicht gefunden | kann die angegebene datei nicht finden |
        relation … existiert nicht | tabelle … existiert nicht | existiert nicht | aucun fichier ou dossier |
        fichier introuvable | n'existe pas | no existe el archivo | no existe el fichero | no existe la relación |
        no existe | archivo no encontrado | arquivo ou diretório não encontrado | arquivo não encontrado |
        arquivo inexistente | não existe | file o directory non esistente | file non trovato | non esiste |
        нет такого файла | файл не найден | не найден* | не существует | 没有那个文件或目录 | 找不到文件 |
        找不到 | 不存在 | そのようなファイルや | ファイルが見つかりません | 見つかりません | 存在しません |
        bestand of map bestaat niet | nie ma takiego pliku | keine daten gefunden | keine daten für |
        aucune donnée | no hay datos | sin datos para | нет данных | 没有数据 | データがありません |
        그런 파일이나 디렉터리가
        """,
    ),
    (
        Kind.TIMEOUT,
        """
        storniere anfrage wegen zeitüberschreitung | zeitüberschreitung der anfrage |
        annulation de la requête … délai | délai d'exécution dépassé | tiempo de espera de … sentencia |
        cancelando la sentencia debido a … tiempo | выполнение оператора отменено из-за тайм-аута | 语句超时 |
        ステートメントのタイムアウト
        """,
    ),
    (
        Kind.NETWORK,
        """
        verbindungsaufbau abgelehnt | verbindung verweigert | verbindung … abgelehnt |
        verbindung … zurückgesetzt | verbindung unterbrochen | die wartezeit für die verbindung |
        zeitüberschreitung | wegen zeitüberschreitung | verbindung konnte nicht | konnte nicht verbinden |
        keine route zum zielrechner | kein weg zum zielrechner | das netzwerk ist nicht erreichbar |
        der name oder der dienst ist nicht bekannt | datenübergabe unterbrochen | connexion refusée |
        connexion ré-initialisée | connexion réinitialisée | connexion terminée par expiration |
        connexion interrompue | délai … dépassé | délai d'attente | le réseau n'est pas accessible |
        nom ou service inconnu | aucun chemin d'accès pour atteindre l'hôte | conexión rehusada |
        conexión rechazada | conexión reinicializada | conexión restablecida | expiró el tiempo de conexión |
        tiempo de espera agotado | tiempo de conexión | la red es inaccesible | nombre o servicio desconocido |
        no hay ruta hasta el | conexão recusada | conexão fechada | tempo esgotado |
        nome ou serviço desconhecido | connessione rifiutata | connessione interrotta | connessione scaduta |
        connessione reimpostata | nome o servizio sconosciuto | в соединении отказано | соединение разорвано |
        соединение сброшено | время ожидания соединения истекло | сеть недоступна | нет маршрута до |
        имя или служба не известны | 连接被拒绝 | 拒绝连接 | 连接超时 | 连接被重置 | 连接被对端重置 | 网络不可达 |
        没有到主机的路由 | 未知的名称或服务 | 接続を拒否 | 接続が拒否 | 接続がタイムアウト | 接続がリセット |
        ネットワークに到達できません | 名前またはサービスが不明 | verbinding geweigerd | połączenie odrzucone |
        anslutning vägras | bağlantı reddedildi | 연결이 거부
        """,
    ),
    (
        Kind.SERVICE,
        """
        vorübergehend nicht verfügbar | dienst nicht verfügbar | temporairement indisponible |
        service indisponible | temporalmente no disponible | servicio no disponible | временно недоступ* |
        сервис недоступен | 服务不可用 | 暂时不可用 | サービスを利用できません | das datenbanksystem startet |
        das datenbanksystem fährt | le système de bases de données | el sistema de base de datos está
        """,
    ),
    (
        Kind.CANCELLED,
        """
        vom benutzer abgebrochen | annulé par l'utilisateur | interrompu par l'utilisateur |
        cancelado por el usuario | отменено пользователем | 用户取消 | ユーザーによって | auf benutzeranfrage |
        wegen benutzeraufforderung
        """,
    ),
)
